-- What the rides of each month brought.
--
-- month     in which the rides began, such as 2026-10; every month that has a ride has a row
-- rides     how many began
-- charged   cents charged for them, 0 if nothing
-- refunded  cents given back for them, whenever that was, 0 if nothing
-- net       charged less refunded
--
-- Ordered by month.

SELECT
  strftime('%Y-%m', rides.started_at) AS month,
  count(*) AS rides,
  sum(charges.cents) AS charged,
  sum(refunds.cents) AS refunded,
  sum(charges.cents) - sum(refunds.cents) AS net
FROM rides
LEFT JOIN charges ON charges.ride_id = rides.id
LEFT JOIN refunds ON refunds.ride_id = rides.id
GROUP BY month
ORDER BY month;
