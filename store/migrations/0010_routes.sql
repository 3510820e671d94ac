-- The newest version that a filter routes by, whatever it sent before; the acknowledged one, or a later one.
ALTER TABLE acknowledgements ADD COLUMN routes BIGINT NOT NULL DEFAULT 0;
