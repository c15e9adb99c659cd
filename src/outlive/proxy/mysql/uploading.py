"""Large commands and files: they go on in the pieces in which they come."""

from __future__ import annotations

from abc import abstractmethod

from outlive.proxy.mysql import errors
from outlive.proxy.mysql.prelude import PreparingClient
from outlive.proxy.mysql.upload import Upload
from outlive.proxy.phases import INFILE, READY, RELAYING, UPLOADING
from outlive.session.mysql.executes import NO_REPLY
from outlive.upstream.mysql.connection import MySQLConnection
from outlive.wire import ProtocolError


class UploadingClient(PreparingClient):
    """A client that may be in the middle of a command or file beyond what is held whole."""

    __slots__ = ()

    @abstractmethod
    def _forward(self, packet: bytes) -> None:
        """A command, or the head of one, on its way to a connection."""

    @abstractmethod
    def _streamed(self, connection: MySQLConnection) -> None:
        """A command without an answer has gone."""

    def _begin_upload(self) -> bool:
        """A command beyond WHOLE_BYTES: its head decides what it needs, the rest follows as it comes."""
        upload = self._upload = Upload(self.session)
        try:
            head = upload.begin(self._inbox)
        except ProtocolError:
            self._refuse_and_close(errors.MALFORMED)
            return False
        if head is None:
            self._upload = None
            return False
        self.active_at = self.services.now
        self.activity += 1
        if upload.refused:
            self.phase = UPLOADING
            return True
        self._forward(head)
        return self.phase == UPLOADING

    def _take_upload(self) -> bool:
        """Sends on what there is; at the end of the command (or file) its reply is awaited."""
        connection, upload = self.connection, self._upload
        if upload is not None and upload.refused:
            return self._throw_away(upload)
        if connection is None or upload is None:
            return False
        if not connection.writable:
            return False
        data = upload.take(self._inbox)
        if upload.done and self.phase == UPLOADING and self.session.must_not_run(upload.analysis()):
            self._drop_connection("a long command that Outlive would have to change")
            self._refuse_and_close(errors.TOO_LARGE)
            return False
        if data:
            self.activity += 1
            self.server.metrics.bytes_to_server += len(data)
            connection.send(data)
        if upload.turn_over:
            self.services.in_turn(self._upload_on)
            return False
        if not upload.done:
            return bool(data)
        self._upload = None
        if self.phase == INFILE:
            self.phase = RELAYING
            self.reader.resume_after_infile(upload.last_sequence)
            return True
        self.session.analysis = upload.analysis()
        self.reader.sequence_shift = upload.sequence_shift
        if self.session.reply_kind == NO_REPLY:
            self._streamed(connection)
            return True
        self.reader.file_expected = not self.session.analysis.plain
        self.phase = RELAYING
        return True

    def _throw_away(self, upload: Upload) -> bool:
        """The rest of a command that will not run; at its end it is answered."""
        upload.take(self._inbox)
        if upload.done:
            self._upload = None
            self.phase = READY
            self.channel.send(upload.refusal())
        return upload.done

    def _upload_on(self) -> None:
        """Another turn of an upload whose text is being read."""
        if self.phase != UPLOADING:
            return
        self._take_upload()
        if self._upload is None or not self._upload.turn_over:
            self.read_on()
