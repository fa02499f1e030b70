{{ config(materialized='materialized_view') }}
select day, count(*) as sales, sum(amount) as total
from {{ ref('sales') }}
group by day
