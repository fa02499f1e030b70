{{ config(materialized='table') }}
select customer, count(*) as sales, sum(amount) as total
from {{ ref('sales') }}
where customer is not null
group by customer
