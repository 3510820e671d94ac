-- The placement of each virtual namespace, as it stands.
CREATE TABLE placements (
    namespace TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    -- panko_placement::State, JSON.
    body TEXT NOT NULL
);

-- Every change of a placement, in one transaction with it.
CREATE TABLE history (
    namespace TEXT NOT NULL,
    -- The version that it made.
    version BIGINT NOT NULL,
    -- Milliseconds since 1970.
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    why TEXT NOT NULL,
    -- The placement after it, JSON.
    body TEXT NOT NULL,
    PRIMARY KEY (namespace, version)
);

-- Filters: one for each of an Envoy's VMs.
CREATE TABLE participants (
    node TEXT NOT NULL,
    -- A number of that start of Envoy, 16 hexadecimal digits.
    process TEXT NOT NULL,
    vm BIGINT NOT NULL,
    came BIGINT NOT NULL,
    -- Set once it is gone: until when what it had sent may take effect.
    gone_until BIGINT,
    PRIMARY KEY (node, process, vm)
);

-- The newest version of each placement that a filter has acknowledged.
CREATE TABLE acknowledgements (
    node TEXT NOT NULL,
    process TEXT NOT NULL,
    vm BIGINT NOT NULL,
    namespace TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (node, process, vm, namespace)
);

-- Keys that are being started on a slot that has a former owner or is about to get another one.
CREATE TABLE key_locks (
    namespace TEXT NOT NULL,
    locked_key TEXT NOT NULL,
    holder TEXT NOT NULL,
    -- Then it is anybody's.
    until BIGINT NOT NULL,
    PRIMARY KEY (namespace, locked_key)
);

-- Since when scans have found nothing of a slot at a former owner, and no start has been sent there.
CREATE TABLE empty_since (
    namespace TEXT NOT NULL,
    slot BIGINT NOT NULL,
    cluster TEXT NOT NULL,
    physical TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (namespace, slot, cluster, physical)
);

-- The control server that completes handovers and scans. Its fence grows with each new leader.
CREATE TABLE leader (
    id BIGINT PRIMARY KEY,
    holder TEXT NOT NULL,
    fence BIGINT NOT NULL,
    until BIGINT NOT NULL
);
INSERT INTO leader (id, holder, fence, until) VALUES (1, '', 0, 0);
