-- All times are text in UTC, such as 2026-10-03T08:15:00. All money is in cents.

CREATE TABLE stations (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

CREATE TABLE bikes (
  id    INTEGER PRIMARY KEY,
  plate TEXT NOT NULL UNIQUE
);

-- A ride that is still under way has neither an end nor a station at which it ended. A bike is in one ride at a time.
-- At night a truck moves bikes between stations; that is not recorded.
CREATE TABLE rides (
  id              INTEGER PRIMARY KEY,
  bike_id         INTEGER NOT NULL REFERENCES bikes (id),
  started_at      TEXT NOT NULL,
  from_station_id INTEGER NOT NULL REFERENCES stations (id),
  ended_at        TEXT,
  to_station_id   INTEGER REFERENCES stations (id),
  CHECK ((ended_at IS NULL) = (to_station_id IS NULL))
);

-- What a ride costs: a fare, and perhaps fees.
CREATE TABLE charges (
  id      INTEGER PRIMARY KEY,
  ride_id INTEGER NOT NULL REFERENCES rides (id),
  what    TEXT NOT NULL,
  cents   INTEGER NOT NULL CHECK (cents > 0)
);

-- What was given back for a ride, at once or in parts, until 90 days later.
CREATE TABLE refunds (
  id          INTEGER PRIMARY KEY,
  ride_id     INTEGER NOT NULL REFERENCES rides (id),
  refunded_at TEXT NOT NULL,
  cents       INTEGER NOT NULL CHECK (cents > 0)
);
