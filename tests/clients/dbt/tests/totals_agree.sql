select 1 from {{ ref('by_day') }} having sum(total) <> (select sum(amount) from {{ ref('sales') }})
