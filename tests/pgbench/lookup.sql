\set id random(1, 100000)
SELECT v FROM lookup WHERE id = :id;
