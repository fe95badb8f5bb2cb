//! Two hosts with a line between them, each in a network namespace of its own.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use jackalope_tests::Process;

/// Where the broker is.
pub(crate) const BROKER: &str = "10.77.2.2";

/// Where the gateway is at first, and where it is after it has moved.
const GATEWAY: [&str; 2] = ["10.77.1.2/24", "10.77.1.3/24"];

/// Three namespaces in a row, which nothing leaves: a gateway, a line and a
/// broker. The line forwards what it gets, or does not: neither side sees its own
/// link go down. All of them are gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    gateway: Namespace,
    middle: Namespace,
    broker: Namespace,
}

#[derive(Debug)]
struct Namespace(String);

impl Line {
    /// A line that carries everything at once; or why there can be none here.
    pub(crate) fn lay() -> Result<Self, String> {
        let line = Self {
            gateway: Namespace::make("gateway")?,
            middle: Namespace::make("line")?,
            broker: Namespace::make("broker")?,
        };
        line.connect(&line.gateway, "left", GATEWAY[0], "10.77.1.1")?;
        line.connect(&line.broker, "right", "10.77.2.2/24", "10.77.2.1")?;
        line.restore();
        Ok(line)
    }

    /// Joins a host and this end of the line.
    fn connect(&self, host: &Namespace, end: &str, at: &str, by: &str) -> Result<(), String> {
        let middle = &self.middle.0;
        let (link, by_net) = (["link", "set", "up", "dev"], format!("{by}/24"));
        self.middle.ip(&[
            "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", &host.0,
        ])?;
        for (namespace, device, address) in [(middle, end, &*by_net), (&host.0, "eth0", at)] {
            let namespace = ["-n", namespace];
            run(
                "ip",
                &[&namespace[..], &["address", "add", address, "dev", device]].concat(),
            )?;
            run("ip", &[&namespace[..], &link, &[device]].concat())?;
            run("ip", &[&namespace[..], &link, &["lo"]].concat())?;
        }
        host.ip(&["route", "add", "default", "via", by])
    }

    /// Makes the line slow, and lose packets, as well as this kernel can. Returns
    /// how.
    pub(crate) fn spoil(&self) -> String {
        let ends = ["left", "right"];
        let shape = |end, how: &[&str]| {
            self.middle.run(
                "tc",
                &[&["qdisc", "replace", "dev", end, "root"], how].concat(),
            )
        };
        let netem = [
            "netem", "delay", "40ms", "10ms", "loss", "2%", "rate", "1mbit",
        ];
        if ends.iter().all(|end| shape(end, &netem).is_ok()) {
            return format!("{netem:?}");
        }
        // What waits for its turn is delayed, and what finds no place is lost.
        let tbf = ["tbf", "rate", "1mbit", "burst", "4kb", "latency", "200ms"];
        for end in ends {
            shape(end, &tbf).expect("the kernel has tbf if it has no netem");
        }
        let rules = "add table ip lossy; \
             add chain ip lossy some { type filter hook forward priority 0; }; \
             add rule ip lossy some numgen random mod 100 lt 2 drop";
        let nft = match self.middle.run("nft", &[rules]) {
            Ok(()) => "and 2 of 100 packets dropped by nftables".to_owned(),
            Err(error) => format!("and no packets dropped ({error})"),
        };
        format!("without netem: {tbf:?} {nft}")
    }

    /// From now on it carries nothing, and nobody is told.
    pub(crate) fn cut(&self) {
        self.forward("0");
    }

    /// It carries again.
    pub(crate) fn restore(&self) {
        self.forward("1");
    }

    fn forward(&self, whether: &str) {
        let script = format!("echo {whether} > /proc/sys/net/ipv4/ip_forward");
        let done = self.middle.run("sh", &["-c", &script]);
        done.expect("the namespace is there");
    }

    /// The gateway's host gets another address in the place of its own.
    pub(crate) fn move_gateway(&self) {
        let [from, to] = GATEWAY;
        for (what, address) in [("delete", from), ("add", to)] {
            let done = self.gateway.ip(&["address", what, address, "dev", "eth0"]);
            done.expect("the namespace is there");
        }
        // It goes with the address.
        let route = ["route", "replace", "default", "via", "10.77.1.1"];
        self.gateway.ip(&route).expect("the namespace is there");
    }

    /// What a command begins with that runs on the gateway's host.
    pub(crate) fn at_gateway(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.gateway.0]
    }

    /// Starts a program on the broker's host.
    pub(crate) fn start_at_broker(&self, command: &[&str]) -> Process {
        let by = ["netns", "exec", &self.broker.0];
        Process::start("ip", &[&by[..], command].concat())
    }
}

impl Namespace {
    fn make(role: &str) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("jackalope-{}-{count}-{role}", std::process::id());
        run("ip", &["netns", "add", &name])?;
        Ok(Self(name))
    }

    fn ip(&self, arguments: &[&str]) -> Result<(), String> {
        run("ip", &[&["-n", &self.0], arguments].concat())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let by = ["netns", "exec", &self.0, program];
        run("ip", &[&by[..], arguments].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = run("ip", &["netns", "delete", &self.0]);
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let failed = |error: &str| format!("{program} {}: {}", arguments.join(" "), error.trim());
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| failed(&error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(&String::from_utf8_lossy(&output.stderr)))
}
