-- The rides that are under way.
--
-- plate    the bike
-- station  where the ride began
--
-- Ordered by plate.

SELECT bikes.plate, stations.name AS station
FROM rides
JOIN bikes ON bikes.id = rides.bike_id
JOIN stations ON stations.id = rides.from_station_id
WHERE rides.ended_at IS NULL
ORDER BY bikes.plate;
