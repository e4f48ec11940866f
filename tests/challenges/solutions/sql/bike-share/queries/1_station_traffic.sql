SELECT
  stations.name AS station,
  (
    SELECT count(*) FROM rides
    WHERE from_station_id = stations.id AND started_at >= '2026-10-01' AND started_at < '2026-11-01'
  ) AS departures,
  (
    SELECT count(*) FROM rides
    WHERE to_station_id = stations.id AND ended_at >= '2026-10-01' AND ended_at < '2026-11-01'
  ) AS arrivals
FROM stations
ORDER BY stations.name;
