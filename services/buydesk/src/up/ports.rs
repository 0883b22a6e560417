//! Checks the ports of the services before the services bind them.

use common::{
    config::{Bind, Env, port_variable},
    service::Service,
};

/// Checks that no two services have the same port. Several services can have the port 0, which selects a free port.
pub(super) fn check_ports(env: &mut Env, demo: bool) {
    fn port<S: Service>(env: &mut Env) -> ServicePort {
        ServicePort { service: S::NAME, port: Bind::from_env(env, S::NAME, S::PORT).port }
    }
    let mut ports = vec![
        port::<create_order::App>(env),
        port::<fetch_orders::App>(env),
        port::<price_cache_proxy::App>(env),
        port::<price_updater::App>(env),
        port::<db_proxy::App>(env),
        port::<health_check::App>(env),
        port::<rates::App>(env),
        port::<users::App>(env),
        port::<wallets::App>(env),
    ];
    let exchange_sim = port::<exchange_sim::App>(env);
    if demo {
        ports.push(exchange_sim);
    }
    for (index, second) in ports.iter().enumerate().filter(|(_, service)| service.port != 0) {
        let Some(first) = ports[..index].iter().find(|first| first.port == second.port) else { continue };
        let (first_variable, second_variable) = (port_variable(first.service), port_variable(second.service));
        let rule = format!(
            "{} has the port {} too ({first_variable}); set {first_variable} or {second_variable} to another port",
            first.service, second.port
        );
        env.add_fault(&second_variable, Some(second.port.to_string()), rule);
    }
}

struct ServicePort {
    service: &'static str,
    port: u16,
}
