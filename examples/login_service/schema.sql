-- For MySQL, MariaDB and PostgreSQL alike. UUIDs are text here, so that one file does for all.
CREATE TABLE devices (
    device_id char(36) PRIMARY KEY,
    user_id char(36) NOT NULL,
    household_id char(36) NOT NULL,
    logins integer NOT NULL DEFAULT 0,
    moves integer NOT NULL DEFAULT 0
);
CREATE INDEX devices_user ON devices (user_id);
CREATE INDEX devices_household ON devices (household_id);
