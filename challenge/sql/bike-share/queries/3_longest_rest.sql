-- The longest rest of each bike: the time from the end of a ride to the start of the same bike's next ride.
--
-- plate    the bike; one without any rest has no row
-- station  where it was left by the ride before that rest
-- since    when that was
-- minutes  how long the rest was, in whole minutes
--
-- Of several rests of the same length, the earliest. Ordered by minutes, the longest first, then by plate.

SELECT 'to do' AS plate, NULL AS station, NULL AS since, NULL AS minutes;
