use std::net::Ipv4Addr;

use super::*;

fn client(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(number).into()
}

/// Counts a request of a client. The state of the client is the number of its requests.
fn count(states: &ClientStates, client: IpAddr) -> u64 {
    let measure = |before: Option<Nanos>| {
        let count = before.map_or(0, u64::from) + 1;
        Ok::<_, ()>((count, Nanos::from(count)))
    };
    states.measure_and_replace(&client, measure).unwrap()
}

fn len(states: &ClientStates) -> usize {
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
        assert_eq!(count(&states, IpAddr::from([192, 0, 2, 1])), u64::from(number) + 1);
    }
}

#[test]
fn state_of_a_refused_client_that_keeps_sending_is_not_dropped() {
    let states = ClientStates::new(640);
    let refused = IpAddr::from([192, 0, 2, 1]);
    count(&states, refused);
    for number in 0..100_000 {
        count(&states, client(number));
        let state = states.measure_and_replace::<(), _, _>(&refused, |before| Err(before.map(u64::from)));
        assert_eq!(state, Err(Some(1)));
    }
}
