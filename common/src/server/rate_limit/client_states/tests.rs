use std::net::Ipv4Addr;

use super::*;

fn client(number: u32) -> ClientId {
    ClientId::Address(Ipv4Addr::from_bits(number).into())
}

/// Counts a request of a client. The state of the client is the number of its requests.
fn count(states: &ClientStates<u64>, client: ClientId) -> u64 {
    states.update(client, |count| {
        *count += 1;
        *count
    })
}

fn len(states: &ClientStates<u64>) -> usize {
    let lengths = states.shards.iter().map(|shard| {
        let shard = shard.lock().unwrap();
        shard.younger.len() + shard.older.len()
    });
    lengths.sum()
}

#[test]
fn number_of_states_is_bounded() {
    let states = ClientStates::new(640);
    for number in 0..100_000 {
        assert_eq!(count(&states, client(number)), 1);
    }
    assert!(len(&states) <= 640, "{}", len(&states));
}

#[test]
fn state_of_a_client_that_keeps_sending_is_not_dropped() {
    let states = ClientStates::new(640);
    for number in 0..100_000 {
        count(&states, client(number));
        assert_eq!(count(&states, ClientId::Address([192, 0, 2, 1].into())), u64::from(number) + 1);
    }
}
