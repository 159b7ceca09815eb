-- Numbers are never used twice, also not after a rollback or a crash. CACHE 1: a
-- session that kept some for later would give a later write a lower number.
CREATE SEQUENCE versions AS bigint CACHE 1;

CREATE TABLE records (
    key     bytea       NOT NULL PRIMARY KEY,
    version bigint      NOT NULL,
    -- From here on the record is absent, whole milliseconds; null is never.
    expires timestamptz,
    -- When clean-up looks at the record next, not later than expires. It moves only
    -- then, so that rewriting a record touches no index.
    due     timestamptz,
    value   bytea       NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- Answers are mostly compressed, or short.
ALTER TABLE records ALTER COLUMN value SET STORAGE EXTERNAL;

CREATE INDEX records_due ON records (due) WHERE due IS NOT NULL;
