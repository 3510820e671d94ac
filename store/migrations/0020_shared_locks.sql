-- A lock whose holder has said which member its call goes to: other calls of the key may go there, too.
ALTER TABLE key_locks ADD COLUMN sent_to TEXT NOT NULL DEFAULT '';
-- Calls that are on their way under it. Those of a control server that crashed stay counted until its time is over.
ALTER TABLE key_locks ADD COLUMN calls BIGINT NOT NULL DEFAULT 1;
