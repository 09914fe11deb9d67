"""libtorrent as the other side of a test, on loopback, without any other way to find peers than it is told.

  libtorrent_peer.py seed  DIR RATE TORRENT...             prints "listening PORT", then "seeding" once all are checked
  libtorrent_peer.py leech DIR RATE PEER TORRENT...        asks PEER (HOST:PORT, or - for the trackers only);
                                                           prints "complete" once all are

TORRENT may be a magnet link. The environment variable AT names another address than 127.0.0.1; LSD=1, PEX=1 and DHT=1
turn local discovery, peer exchange and the DHT on, whose first nodes DHT_NODES names (HOST:PORT HOST:PORT ...);
ENCRYPTION is plain or encrypted where it is not left to libtorrent; DOWN is the most it downloads, in bytes per second. RATE is the most
it uploads, in bytes per second (0: any). It runs until its standard input ends, then prints
"uploaded BYTES" and "downloaded BYTES" of payload.
"""
import os
import sys
import threading

import libtorrent as lt

AT = os.environ.get("AT", "127.0.0.1")
SETTINGS = {
    "listen_interfaces": f"{AT}:0", "outgoing_interfaces": AT.strip("[]"),
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_incoming_utp": False, "enable_outgoing_utp": False,
    "allow_multiple_connections_per_ip": True, "ssrf_mitigation": False, "ignore_limits_on_local_network": False,
    "rate_limit_ip_overhead": False, "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification,
}

# Nodes in one network, which all have an address of it.
DHT_SETTINGS = {
    "dht_bootstrap_nodes": "", "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False, "dht_announce_interval": 60,
}

# By name, as libtorrent's enc_policy and enc_level count: forced, disabled; RC4.
ENCRYPTION = {
    "": {}, "plain": {"in_enc_policy": 2, "out_enc_policy": 2},
    "encrypted": {"in_enc_policy": 0, "out_enc_policy": 0, "allowed_enc_level": 2, "prefer_rc4": True},
}


def say(*words):
    print(*words, flush=True)


def main(role, folder, rate, *rest):
    peer, torrents = (None, rest) if role == "seed" else (rest[0], rest[1:])
    has_lsd, has_pex = os.environ.get("LSD") == "1", os.environ.get("PEX") == "1"
    has_dht = os.environ.get("DHT") == "1"
    rates = {"upload_rate_limit": int(rate), "download_rate_limit": int(os.environ.get("DOWN") or 0)}
    session = lt.session(SETTINGS | DHT_SETTINGS | ENCRYPTION[os.environ.get("ENCRYPTION", "")] | rates | {"enable_lsd": has_lsd, "enable_dht": has_dht})
    for node in os.environ.get("DHT_NODES", "").split():
        host, port = node.rsplit(":", 1)
        session.add_dht_node((host, int(port)))
    say("listening", session.listen_port())
    handles = []
    for torrent in torrents:
        if torrent.startswith("magnet:"):
            params = lt.parse_magnet_uri(torrent)
        else:
            params = lt.add_torrent_params()
            params.ti = lt.torrent_info(torrent)
        params.save_path = folder
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        # A rate limit is kept on loopback too, and peers come only from us and the trackers.
        ways = {lt.torrent_flags.disable_dht: has_dht, lt.torrent_flags.disable_lsd: has_lsd, lt.torrent_flags.disable_pex: has_pex}
        for flag, is_on in ways.items():
            params.flags = params.flags & ~flag if is_on else params.flags | flag
        handles.append(session.add_torrent(params))

    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    left = set(range(len(handles)))
    told = set()
    while not ended.is_set():
        session.wait_for_alert(100)
        for alert in session.pop_alerts():
            if alert.category() & lt.alert.category_t.error_notification:
                say("alert", alert)
        for number in list(left):
            status = handles[number].status()
            if status.is_seeding:
                left.discard(number)
                if not left:
                    say("seeding" if role == "seed" else "complete")
            elif peer and peer != "-" and number not in told and status.state == status.downloading:
                host, port = peer.rsplit(":", 1)
                handles[number].connect_peer((host.strip("[]"), int(port)))
                told.add(number)
    say("uploaded", sum(handle.status().total_payload_upload for handle in handles))
    say("downloaded", sum(handle.status().total_payload_download for handle in handles))


if __name__ == "__main__":
    main(*sys.argv[1:])
