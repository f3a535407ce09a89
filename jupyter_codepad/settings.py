"""Every setting of ours: the traits of ``CodepadApp``, with their units and defaults."""

from __future__ import annotations

from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Dict, Enum, Float, Integer, List, TraitError, Unicode, validate

from .access.rate_limit import DEFAULT_LIMITS
from .execution.limits import LANGUAGE_LIMITS
from .execution.sandbox import DEFAULT_RUNGS, RUNGS

MIB = 1024 * 1024


class CodepadSettings(ExtensionApp):
    """What can be configured."""

    database_url = Unicode(
        config=True,
        help="SQLAlchemy URL of the record store (rooms, people, links, runs). Default: a SQLite "
        "file `codepad/codepad.sqlite` in Jupyter's data directory. `postgresql://…` needs the "
        "extra `jupyter-codepad[postgres]`.",
    )
    state_dir = Unicode(
        config=True,
        help="Directory of the default SQLite file and of the update log. Default: `codepad` in "
        "Jupyter's data directory. Not on a network file system.",
    )
    rooms_folder = Unicode(
        "codepad-rooms",
        config=True,
        help="Folder, below the Jupyter root, in which each room gets a folder of its own.",
    )
    host_name = Unicode(
        "Host",
        config=True,
        help="What others see as the name of the person who signs in with the server's token or "
        "password. With JupyterHub people have their own names.",
    )
    room_ttl_hours = Float(24.0, config=True, help="Lifetime of a new room, in hours.")
    room_ttl_limit_hours = Float(
        24.0 * 31, config=True, help="Longest lifetime that can be asked for, in hours from now."
    )
    rooms_per_owner_limit = Integer(200, config=True, help="Most rooms one person can own.")
    participants_per_room_limit = Integer(
        200, config=True, help="Most people who can have a way into one room at the same time."
    )
    connections_per_person_limit = Integer(
        40,
        config=True,
        help="Most sockets one person can have open in a room; a tab of the room page has two.",
    )
    files_per_room_limit = Integer(
        200, config=True, help="Most files of a room that are exported or copied to its kernel."
    )
    export_limit_bytes = Integer(
        256 * MIB, config=True, help="Most that the files of an exported room may be, in bytes."
    )
    allow_guests = Bool(
        True, config=True, help="Whether links let people in who have no account on this server."
    )
    trusted_proxies = List(
        Unicode(),
        config=True,
        help="Addresses or networks (CIDR) of the reverse proxies in front of this server, or "
        "`unix`: only what they say in X-Forwarded-For about a client's address is believed.",
    )
    rate_limits = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        config=True,
        help="Changes to how often things may be done, such as `{'runs_per_person': '20 per "
        "minute'}`; an empty text switches a limit off. All limits and their defaults are below.",
    )
    rate_limit_storage = Unicode(
        "memory://",
        config=True,
        help="Where is counted: `memory://`, or a Redis that several servers share, such as "
        "`async+redis://localhost:6379` (needs the extra `jupyter-codepad[redis]`).",
    )
    idle_seconds = Float(
        120.0, config=True, help="After how long without doing anything people are shown as idle."
    )
    activity_kept = Integer(
        10_000, config=True, help="Entries of a room's activity log that are kept, the newest."
    )
    retention_days = Float(
        90.0,
        config=True,
        help="How long the records of a room are kept after its end, in days; 0: for ever.",
    )
    retention_deletes_files = Bool(
        False,
        config=True,
        help="Whether a room's folder is deleted too when its records are kept no longer.",
    )
    links_per_room_limit = Integer(
        100, config=True, help="Most links of one room that can be open at the same time."
    )
    document_limit_bytes = Integer(
        1_000_000, config=True, help="Largest text of a pad, in bytes of UTF-8."
    )
    notebook_limit_bytes = Integer(
        20_000_000,
        config=True,
        help="Largest a notebook pad may become, in bytes of its shared state with all outputs.",
    )
    message_limit_bytes = Integer(
        MIB,
        config=True,
        help="Largest text in one message of a room page, in bytes; the socket of whoever sends "
        "more is closed with code 1009.",
    )
    protect_lab = Bool(
        True,
        config=True,
        help="Send JupyterLab's page with a content security policy while guests are allowed, so "
        "that nothing of theirs can run in it or tell another site that it was seen. It breaks, in "
        "your own notebooks too: output with inline scripts (Plotly, Bokeh, HTML with <script>), "
        "scripts and pictures from other sites, and scripts from files of yours.",
    )
    collaboration_message_limit_bytes = Integer(
        64 * MIB,
        config=True,
        help="Largest message of JupyterLab on the socket of any document, in bytes; the socket of "
        "whoever sends more is closed with code 1009.",
    )
    document_copies_limit = Integer(
        20,
        config=True,
        help="Copies of documents that jupyter-collaboration may keep at a time for its timelines "
        "and forks. The oldest timeline makes room for a new one; a fork beyond is refused.",
    )
    send_buffer_bytes = Integer(
        MIB,
        config=True,
        help="How much may wait for somebody who reads slower than others write, in bytes. They "
        "are left out then, and get all that they missed in one piece once they have caught up.",
    )
    socket_timeout_seconds = Float(
        90.0,
        config=True,
        help="After how long a connection from which nothing is heard, or to which nothing can be "
        "sent, is given up, in seconds.",
    )
    history_factor = Float(
        6.0,
        config=True,
        help="How much of a document's past is kept: so many times the size of its shared state. "
        "Of what is older, only the state at some moments is left, fewer and fewer.",
    )
    history_floor_bytes = Integer(
        MIB // 4, config=True, help="So much of a document's past is kept in any case, in bytes."
    )
    log_waiting_limit_bytes = Integer(
        64 * MIB,
        config=True,
        help="How much may wait to be written into the update log while its disk is full, in "
        "bytes. Who types more is disconnected: it stays with them, and they try again.",
    )
    use_uvloop = Bool(
        True,
        config=True,
        help="Run the server on the uvloop event loop where it is installed: faster with many "
        "people. It must be set before the server starts to listen.",
    )
    save_delay_seconds = Float(
        1.0,
        config=True,
        help="How long nobody types before a pad is written to its file, in seconds; while they "
        "go on, it is written every ten times as long. Nothing depends on it: what was typed is on "
        "disk long before, in the update log.",
    )
    save_share = Float(
        0.05,
        min=0.001,
        max=1.0,
        config=True,
        help="The largest part of the time that goes into writing files when many documents are "
        "edited at once, above 0 and at most 1: the less, the more rarely each is written and the "
        "less the others' typing feels it.",
    )
    cleanup_delay_seconds = Float(
        60.0, config=True, help="How long an unused document stays in memory, in seconds."
    )
    sandboxes = List(
        Enum([rung.name for rung in RUNGS]),
        list(DEFAULT_RUNGS),
        config=True,
        help="The kinds of sandbox that may be used, the best first. The first that passes its "
        "self-test at the start is; without any, code of rooms is not run.",
    )
    allow_unsandboxed = Bool(
        False,
        config=True,
        help="Run the code of rooms without a sandbox where none works. Everybody in a room can "
        "then do all that this server's user can do. Only for machines that hold nothing else.",
    )
    kernelspecs = List(
        Unicode(),
        config=True,
        help="Names of installed kernelspecs (`jupyter kernelspec list`) that are offered as "
        "languages of pads and notebooks too, as `kernel:<name>`. They run in the sandbox.",
    )
    memory_limit_bytes = Integer(
        512 * MIB, config=True, help="Memory of all processes of a room's kernel, in bytes."
    )
    process_limit = Integer(64, config=True, help="Processes and threads of a room's kernel.")
    disk_limit_bytes = Integer(
        64 * MIB, config=True, help="Disk space of a room's kernel, in bytes."
    )
    output_limit_bytes = Integer(MIB, config=True, help="Output kept of one run, in bytes.")
    run_limit_seconds = Float(
        30.0,
        config=True,
        help="Longest a run of a code file may take, in seconds, without the time in which it "
        "waits for an answer; 0: no limit.",
    )
    notebook_run_limit_seconds = Float(
        0.0, config=True, help="The same for a cell of a notebook; 0: no limit."
    )
    cpu_limit_seconds = Float(
        60.0,
        config=True,
        help="Most processor time a run of a code file may use, all of its processes together, in "
        "seconds; 0: no limit.",
    )
    notebook_cpu_limit_seconds = Float(
        0.0, config=True, help="The same for a cell of a notebook; 0: no limit."
    )
    language_limits = Dict(
        value_trait=Dict(),
        key_trait=Unicode(),
        config=True,
        help="Other limits for some languages, such as `{'java': {'run_limit_seconds': 60, "
        "'memory_limit_bytes': 1073741824}}`. Known are `run_limit_seconds`, `cpu_limit_seconds`, "
        "`output_limit_bytes` (of code files) and `memory_limit_bytes`.",
    )
    input_limit_bytes = Integer(
        16 * 1024, config=True, help="Longest answer to what a program asks, in bytes."
    )
    input_wait_seconds = Float(
        600.0,
        config=True,
        help="How long a program may wait for an answer, in seconds; then it is stopped. 0: for "
        "ever.",
    )
    runs_kept = Integer(20, config=True, help="Runs of a room whose output stays visible.")
    runs_kept_bytes = Integer(
        4 * MIB,
        config=True,
        help="Most output of a room's runs that stays visible, in bytes: who comes to the room "
        "gets all of it. The oldest goes first.",
    )
    run_queue_limit = Integer(
        200, config=True, help="Runs of a room that may wait at a time, each asked for by itself."
    )
    waiting_cells_limit = Integer(
        2000,
        config=True,
        help="Cells of a room's notebook that may wait because they were asked for together (Run "
        "All): the server runs them, whoever closes which page.",
    )
    kernels_limit = Integer(50, config=True, help="Kernels of rooms that may live at a time.")
    kernel_idle_seconds = Float(
        1800.0, config=True, help="How long an unused kernel of a room lives, in seconds."
    )

    warm_kernels = Bool(
        True,
        config=True,
        help="Start a room's kernel when somebody who may run code enters it, so that the first "
        "run does not wait for it. Off saves memory where many rooms are never run.",
    )
    warm_pool_size = Integer(
        2,
        min=0,
        config=True,
        help="Most kernels that are kept ready for rooms that have none yet, one for each of the "
        "languages that were used last, as long as `kernel_idle_seconds` after the last use. Only "
        "with `warm_kernels`; 0: none.",
    )
    concurrent_runs_limit = Integer(
        0,
        min=0,
        config=True,
        help="Runs that count at a time on this server; the others wait, each room for its turn. A "
        "run that takes longer than three seconds counts no more. 0: two for each processor.",
    )

    @validate("rate_limits")
    def _known_limits(self, proposal: Any) -> Any:
        unknown = set(proposal["value"]) - set(DEFAULT_LIMITS)
        if unknown:
            raise TraitError(f"rate_limits: there is no limit {sorted(unknown)[0]!r}")
        return proposal["value"]

    @validate("language_limits")
    def _known_language_limits(self, proposal: Any) -> Any:
        for language, limits in proposal["value"].items():
            unknown = set(limits) - LANGUAGE_LIMITS
            if unknown:
                raise TraitError(
                    f"language_limits: {language!r} has no limit {sorted(unknown)[0]!r}"
                )
            if not all(isinstance(n, int | float) and n >= 0 for n in limits.values()):
                raise TraitError(f"language_limits: the limits of {language!r} are numbers")
        return proposal["value"]
