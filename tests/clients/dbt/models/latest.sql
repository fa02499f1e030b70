{{ config(materialized='incremental', unique_key='id') }}
select id, customer, amount from {{ ref('sales') }}
{% if is_incremental() %}
where id > (select max(id) from {{ this }})
{% endif %}
