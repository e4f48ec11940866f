"""A challenge as one archive: the same bytes for the same content, whoever packs it and when."""

import gzip
import io
import tarfile

from scripts.challenges.tree import ChallengeTree

FILE_MODE, PROGRAM_MODE = 0o644, 0o755
"""What a file gets, as in Git: whether it can be executed is the author's, the rest is the candidate's."""


def pack(tree: ChallengeTree) -> bytes:
    """``tree`` as a compressed tar file; raises ``ChallengeError`` when a file has changed since it was read.

    In the POSIX format, which has no limits for paths, in the order of the paths, with no time and no owner.
    """
    buffer = io.BytesIO()
    # The name and the time would be part of the bytes.
    with (
        gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted([*tree.files, *tree.links, *tree.directories]):
            member = tarfile.TarInfo(path)
            content = b""
            if path in tree.files:
                content = tree.files[path].read()
                member.size = len(content)
                member.mode = PROGRAM_MODE if tree.files[path].executable else FILE_MODE
            elif path in tree.links:
                member.type, member.linkname = tarfile.SYMTYPE, tree.links[path]
            else:
                member.type, member.mode = tarfile.DIRTYPE, PROGRAM_MODE
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def packed_size(tree: ChallengeTree) -> int:
    """Bytes of the tar file before it is compressed, at least: each entry has a header, and content in whole blocks."""
    block = tarfile.BLOCKSIZE
    entries = len(tree.files) + len(tree.links) + len(tree.directories)
    return block * (entries + sum(-(-file.size // block) for file in tree.files.values()))
