WITH
  charged AS (SELECT ride_id, sum(cents) AS cents FROM charges GROUP BY ride_id),
  refunded AS (SELECT ride_id, sum(cents) AS cents FROM refunds GROUP BY ride_id)
SELECT
  strftime('%Y-%m', rides.started_at) AS month,
  count(*) AS rides,
  coalesce(sum(charged.cents), 0) AS charged,
  coalesce(sum(refunded.cents), 0) AS refunded,
  coalesce(sum(charged.cents), 0) - coalesce(sum(refunded.cents), 0) AS net
FROM rides
LEFT JOIN charged ON charged.ride_id = rides.id
LEFT JOIN refunded ON refunded.ride_id = rides.id
GROUP BY month
ORDER BY month;
