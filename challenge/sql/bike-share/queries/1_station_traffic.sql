-- How busy every station was in October 2026.
--
-- station     its name; every station has a row
-- departures  rides that began there in October
-- arrivals    rides that ended there in October
--
-- Ordered by station.

SELECT
  stations.name AS station,
  count(departures.id) AS departures,
  count(arrivals.id) AS arrivals
FROM stations
JOIN rides AS departures ON departures.from_station_id = stations.id
JOIN rides AS arrivals ON arrivals.to_station_id = stations.id
WHERE departures.started_at BETWEEN '2026-10-01' AND '2026-10-31'
  AND arrivals.ended_at BETWEEN '2026-10-01' AND '2026-10-31'
GROUP BY stations.id
ORDER BY stations.name;
