-- What operators have applied: all clusters and virtual namespaces. The newest counts.
CREATE TABLE applied (
    version BIGINT PRIMARY KEY,
    -- Milliseconds since 1970.
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    why TEXT NOT NULL,
    -- What was asked for, JSON. It may differ from `body`: a cluster stays as long as a member uses it.
    source TEXT NOT NULL,
    -- What counts, JSON.
    body TEXT NOT NULL
);
