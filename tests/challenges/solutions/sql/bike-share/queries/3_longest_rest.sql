WITH
  rests AS (
    SELECT
      bike_id,
      to_station_id,
      ended_at,
      (unixepoch(lead(started_at) OVER (PARTITION BY bike_id ORDER BY started_at)) - unixepoch(ended_at)) / 60 AS minutes
    FROM rides
  ),
  ranked AS (
    SELECT *, row_number() OVER (PARTITION BY bike_id ORDER BY minutes DESC, ended_at) AS place
    FROM rests
    WHERE minutes IS NOT NULL
  )
SELECT bikes.plate, stations.name AS station, ranked.ended_at AS since, ranked.minutes
FROM ranked
JOIN bikes ON bikes.id = ranked.bike_id
JOIN stations ON stations.id = ranked.to_station_id
WHERE ranked.place = 1
ORDER BY ranked.minutes DESC, bikes.plate;
