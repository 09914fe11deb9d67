"""A small DHT of libtorrent nodes on loopback, one address each.

  libtorrent_dht.py COUNT [DIR TORRENT]     prints "node HOST:PORT" per node once they know each other; one of them
                                            seeds TORRENT, whose data is in DIR

The environment variable NET names two other first bytes of their addresses than 127.0.

It reads lines "find INFO_HASH" and prints "found INFO_HASH HOST:PORT" for every peer that is found, asking again until
there is one. It runs until its standard input ends.
"""
import os
import sys
import time
import warnings

import libtorrent as lt

SETTINGS = {
    "enable_dht": True, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False, "dht_bootstrap_nodes": "",
    "enable_incoming_utp": False, "enable_outgoing_utp": False, "ssrf_mitigation": False, "dht_block_ratelimit": 1000,
    "allow_multiple_connections_per_ip": True, "hashing_threads": 1, "aio_threads": 1, "dht_announce_interval": 60,
    "alert_mask": lt.alert.category_t.dht_operation_notification | lt.alert.category_t.dht_notification,
}


def say(*words):
    print(*words, flush=True)


def main(count, *seeded):
    warnings.simplefilter("ignore")
    nodes = []
    for number in range(int(count)):
        at = f"{os.environ.get('NET', '127.0')}.{number + 1}.1"
        session = lt.session(SETTINGS | {"listen_interfaces": f"{at}:0", "outgoing_interfaces": at})
        while not session.listen_port():
            time.sleep(0.01)
        nodes.append((session, (at, session.listen_port())))
    for session, address in nodes:
        for _, other in nodes[:4]:
            if other != address:
                session.add_dht_node(other)
    while min(session.status().dht_nodes for session, _ in nodes) < min(3, len(nodes) - 1):
        time.sleep(0.05)
    if seeded:
        folder, torrent = seeded
        params = lt.add_torrent_params()
        params.ti, params.save_path = lt.torrent_info(torrent), folder
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        nodes[-1][0].add_torrent(params)
    for _, (host, port) in nodes:
        say("node", f"{host}:{port}")
    for line in sys.stdin:
        info_hash = line.split()[1]
        find(nodes[1][0], info_hash)


def find(session, info_hash):
    found = set()
    while not found:
        session.dht_get_peers(lt.sha1_hash(bytes.fromhex(info_hash)))
        until = time.time() + 1
        while time.time() < until and not found:
            session.wait_for_alert(20)
            for alert in session.pop_alerts():
                if isinstance(alert, lt.dht_get_peers_reply_alert) and str(alert.info_hash) == info_hash:
                    found.update(tuple(peer) for peer in alert.peers())
    for host, port in found:
        say("found", info_hash, f"{host}:{port}")


main(*sys.argv[1:])
