-- Finds the orders of one user, and the anonymous orders between those of users. Anonymous orders never enter these indexes.

-- Includes the bitcoin, so that the totals of a user are read from the index alone.
create index orders_by_user on orders (user_id, seq, bitcoin_sats) where user_id is not null;
create index orders_by_user_reference on orders (user_id, client_reference, seq)
    where user_id is not null and client_reference is not null;
create index orders_after_anonymous on orders (anonymous_before, seq) where anonymous_before is not null;
