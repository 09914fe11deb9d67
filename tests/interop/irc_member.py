"""A member of a group by PyPI's `irc`: irc_member.py PORT NICK GROUP. Says hello once it sits in the group, prints what
it hears there as `NICK: text`, answers `ask` with what was said before, and ends at `bye`."""
import sys

import irc.client


class Member(irc.client.SimpleIRCClient):
    def __init__(self, group):
        super().__init__()
        self.group = group

    def on_welcome(self, connection, event):
        connection.cap("REQ", "server-time")
        connection.join(self.group)

    def on_endofnames(self, connection, event):
        print("joined", flush=True)
        connection.privmsg(self.group, "hello from python")

    def on_pubmsg(self, connection, event):
        text = event.arguments[0]
        print(f"{event.source.nick}: {text}", flush=True)
        if text == "ask":
            connection.send_raw(f"CHATHISTORY LATEST {self.group} * 10")
        elif text == "bye":
            connection.quit("so long")

    def on_disconnect(self, connection, event):
        sys.exit(0)


member = Member(sys.argv[3])
member.connect("127.0.0.1", int(sys.argv[1]), sys.argv[2])
member.start()
