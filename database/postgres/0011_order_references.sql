-- Finds orders by their reference. The index is empty at first, but its creation reads the table once: some seconds with ten million
-- orders, in which no order can be placed. A migration of its own, so that orders can be read meanwhile.

create index orders_client_reference on orders (client_reference, seq) where client_reference is not null;
