"""What `gtk_probe.py` does with the agent: copy, paste, send files, ask for monitors."""

from __future__ import annotations

import ctypes
from pathlib import Path

from gi.repository import Gio, GLib, GObject


class AgentRequests:
    """The part of the probe that is about the main channel's agent."""

    def follow_agent(self, channel):
        """Listen to what the main channel tells."""
        self.copied = {}
        self.pasted = {}
        connect = GObject.GObject.connect
        connect(channel, "main-agent-update", lambda c: self.tell(event="agent", connected=c.props.agent_connected))
        connect(channel, "main-clipboard-selection-grab", self.on_grab)
        connect(channel, "main-clipboard-selection-request", self.on_request)
        connect(channel, "main-clipboard-selection-release", lambda _c, s: self.tell(event="release", selection=s))
        connect(channel, "main-clipboard-selection", self.on_data)
        connect(channel, "new-file-transfer", self.on_file)

    def do_copy(self, request):
        """Offer files' contents, each as a type."""
        selection = request["selection"]
        self.copied[selection] = {int(kind): Path(file).read_bytes() for kind, file in request["files"].items()}
        self.channel("main:0").clipboard_selection_grab(selection, list(self.copied[selection]))
        return True

    def do_release(self, request):
        self.channel("main:0").clipboard_selection_release(request["selection"])
        return True

    def do_paste(self, request):
        """Ask for a selection and write what comes to a file; the answer is its type and size."""
        key = (request["selection"], request["type"])
        self.pasted.pop(key[0], None)
        self.channel("main:0").clipboard_selection_request(*key)

        def come():
            if key[0] not in self.pasted:
                return None
            kind, data = self.pasted.pop(key[0])
            Path(request["file"]).write_bytes(data)
            return {"type": kind, "size": len(data)}

        return self.wait(request, come, lambda: "nothing was pasted")

    def do_send_files(self, request):
        """Drop files on the viewer; the answer is whether all arrived, or how it failed."""
        files = [Gio.File.new_for_path(path) for path in request["files"]]
        self.cancellable = Gio.Cancellable()
        done = []

        def finish(channel, result, *_):
            try:
                done.append({"ok": channel.file_copy_finish(result)})
            except GLib.Error as error:
                done.append({"failed": error.message, "cancelled": error.matches(Gio.io_error_quark(), 19)})

        flags = Gio.FileCopyFlags.NONE
        self.channel("main:0").file_copy_async(files, flags, self.cancellable, None, None, finish)
        return self.wait(request, lambda: done[0] if done else None, lambda: "the files were never done")

    def do_cancel_files(self, _request):
        self.cancellable.cancel()
        return True

    def do_capability(self, request):
        """Whether the agent has a capability, once there is an agent."""
        channel = self.channel("main:0")
        return self.wait(
            request,
            lambda: channel.agent_test_capability(request["capability"]) == request["value"] and {"ok": True},
            lambda: f"the agent's capability {request['capability']} is not {request['value']}",
        )

    def do_monitors(self, request):
        """Ask for monitors, each left, top, width, height."""
        channel = self.channel("main:0")
        for number, (left, top, width, height) in enumerate(request["areas"]):
            channel.update_display_enabled(number, True, False)
            channel.update_display(number, left, top, width, height, False)
        return channel.send_monitor_config()

    def on_file(self, _channel, task):
        def finished(_task, error):
            self.tell(event="file", name=task.get_filename(), error=error.message if error else None)

        GObject.GObject.connect(task, "finished", finished)

    def on_grab(self, _channel, selection, types, _count):
        numbers = list(types)
        self.tell(event="grab", selection=selection, types=numbers)
        return True

    def on_request(self, channel, selection, kind):
        self.tell(event="request", selection=selection, type=kind)
        data = self.copied.get(selection, {}).get(kind)
        if data is None:
            return False
        # Introspection would take a list of numbers, which is slow for millions.
        notify = self.library.spice_main_channel_clipboard_selection_notify
        notify.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t]
        notify(hash(channel), selection, kind, data, len(data))
        return True

    def on_data(self, _channel, selection, kind, data, size):
        self.pasted[selection] = (kind, bytes(data or b""))
