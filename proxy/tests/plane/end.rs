//! The end of a data plane: who is served before it, and who is cut.

use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use ringway_proxy::{Change, DriverChoice};

use super::{Plane, config, line, spec};

/// The end comes right behind the drain, as it does where no connection is left.
#[test]
fn whoever_has_connected_is_served_before_the_end() {
    for driver in [DriverChoice::Epoll, DriverChoice::Auto].repeat(20) {
        let plane = Plane::start_with(config(driver), 2);
        let mut clients = [(); 4].map(|()| plane.begin("GET /function/nobody", ""));
        plane.gateway.drain(Duration::ZERO);
        assert_eq!(plane.gateway.stop(Duration::from_secs(5)), 0);
        for client in &mut clients {
            let mut reply = String::new();
            client.read_to_string(&mut reply).unwrap();
            assert!(line(&reply).contains(" 404 "), "{reply:?}");
        }
    }
}

/// Not only by the end of the process, which may take its time.
#[test]
fn what_is_left_at_the_deadline_is_cut_on_both_sides() {
    for driver in [DriverChoice::Epoll, DriverChoice::Auto] {
        let plane = Plane::start(config(driver));
        let mute = TcpListener::bind("127.0.0.1:0").unwrap();
        let row = spec("mute", &[mute.local_addr().unwrap()]);
        plane.publisher.publish([Change::Put(row)]);
        let mut client = plane.begin("GET /function/mute", "");
        let (mut function, _) = mute.accept().unwrap();
        function
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        plane.gateway.drain(Duration::ZERO);
        assert_eq!(plane.gateway.stop(Duration::from_millis(300)), 1);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"", "an answer");
        function.read_to_end(&mut rest).unwrap();
    }
}
