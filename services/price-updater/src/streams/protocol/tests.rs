use super::super::PROTOCOLS;

#[test]
fn path_of_the_base_url_is_kept() {
    for (name, expected) in [
        ("binance", "ws://sim/x/ws/stream?streams=btcusdt@bookTicker/btcusdt@ticker"),
        ("coinbase", "ws://sim/x/ws"),
        ("kraken", "ws://sim/x/ws/v2"),
        ("okx", "ws://sim/x/ws/ws/v5/public"),
    ] {
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == name).unwrap();
        let symbols = [(protocol.symbol)("BTC-USDT".parse().unwrap())];
        for base in ["ws://sim/x/ws", "ws://sim/x/ws/"] {
            assert_eq!(protocol.url(&base.parse().unwrap(), &symbols).as_str(), expected);
        }
    }
}

#[test]
fn default_urls_use_tls() {
    for protocol in PROTOCOLS {
        assert!(protocol.default_url.starts_with("wss://"), "{}", protocol.default_url);
    }
}
