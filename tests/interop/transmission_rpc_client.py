"""Drives a daemon by the PyPI package transmission-rpc, as Home Assistant and people's scripts do."""
import sys

import transmission_rpc

port, path = int(sys.argv[1]), sys.argv[2]
client = transmission_rpc.Client(host="127.0.0.1", port=port, username="me", password="secret")
with open(path, "rb") as file:
    added = client.add_torrent(file, paused=True, labels=["x"])
assert added.name == "album", added
(torrent,) = client.get_torrents()
assert torrent.hashString == added.hashString and torrent.status.stopped and torrent.labels == ["x"], torrent
assert [file.name for file in torrent.get_files()] == ["album/a.bin", "album/b.bin"], torrent.get_files()
assert torrent.progress == 0 and torrent.total_size == 100000, torrent.progress
assert torrent.trackers[0].announce == "http://127.0.0.1:1/announce", torrent.trackers
client.change_torrent(torrent.id, files_unwanted=[1], download_limit=50, download_limited=True)
torrent = client.get_torrent(torrent.id)
assert [file.selected for file in torrent.get_files()] == [True, False], torrent.get_files()
assert torrent.download_limit == 50
client.change_torrent(torrent.id, priority_high=[0], files_wanted=[1])
assert [file.priority.name for file in client.get_torrent(torrent.id).get_files()] == ["High", "Normal"]
assert client.rename_torrent_path(torrent.id, "album/a.bin", "z.bin") == ("album/a.bin", "z.bin")
assert [file.name for file in client.get_torrent(torrent.id).get_files()] == ["album/z.bin", "album/b.bin"]
client.start_torrent(torrent.id)
client.stop_torrent(torrent.id)
client.verify_torrent(torrent.id)
client.queue_top(torrent.id)
session = client.get_session()
assert session.rpc_version == 17 and session.download_dir.endswith("/dl"), session
client.set_session(speed_limit_down=77, speed_limit_down_enabled=True)
assert client.get_session().speed_limit_down == 77
assert client.session_stats().torrent_count == 1
assert client.free_space("/") > 0
recent, removed = client.get_recently_active_torrents()
assert [one.id for one in recent] == [torrent.id] and removed == [], (recent, removed)
client.remove_torrent(torrent.id, delete_data=True)
assert client.get_torrents() == []
print("fine")
