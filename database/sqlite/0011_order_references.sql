-- Finds orders by their reference.

create index orders_client_reference on orders (client_reference, seq) where client_reference is not null;
