/* Many people who type, in one process: the load for a server of Yjs documents.
 *
 * Every line of the file of clients is one person: room, path, document ("-": frames carry no
 * document's name; else they are framed as Hocuspocus frames them), then HTTP headers, all between
 * tabs. Each comes in by WebSocket, syncs, and inserts its characters after its own last one, as one
 * Yjs client with clocks that follow each other. Ten characters are a line break, the writer and the
 * number of the insertion, so what arrives says what it is, whoever sends it and under whatever id.
 *
 * Because all people live in this process, a latency is a difference on one clock: from just before
 * the bytes of an insertion were handed to the kernel until the first frame with it was read at one
 * of the others. Prints one JSON object.
 */

#include "wire.h"

#include <math.h>
#include <sys/timerfd.h>

#define KIND_SYNC 0
#define KIND_AWARENESS 1
#define KIND_AUTH 2
#define KIND_SYNC_REPLY 4
#define KIND_SYNC_STATUS 8
#define KIND_ACK 100
#define STEP_STATE 0
#define STEP_MISSING 1
#define STEP_UPDATE 2

#define SECOND 1000000000ull
#define AWARENESS_SECONDS 15
#define CONNECTING_MOST 32
#define CONNECT_SECONDS 60
#define FETCH_SECONDS 20
#define QUIET_NS (SECOND / 4) /* after the last delivery, for what may come twice */
#define CHUNK (1 << 18)

/* -- what is measured -------------------------------------------------------------------------- */

#define SUB_BITS 6
#define BUCKETS (64 << SUB_BITS)
#define TICK_NS 100 /* of a histogram: 0.1 us, and 1.6 % above 6.4 us */

typedef struct {
    uint64_t counts[BUCKETS], total, most;
} Histogram;

static void note(Histogram *histogram, uint64_t ns) {
    uint64_t value = ns / TICK_NS;
    unsigned index = value;
    if (value >= 1 << SUB_BITS) {
        int shift = 63 - __builtin_clzll(value) - SUB_BITS;
        index = ((shift + 1) << SUB_BITS) + ((value >> shift) & ((1 << SUB_BITS) - 1));
    }
    histogram->counts[index]++;
    histogram->total++;
    if (ns > histogram->most) histogram->most = ns;
}

/* In milliseconds; the middle of the bucket. */
static double percentile(const Histogram *histogram, double share) {
    uint64_t rank = ceil(share * histogram->total), seen = 0;
    if (rank == 0) rank = 1;
    for (unsigned index = 0; index < BUCKETS; index++) {
        seen += histogram->counts[index];
        if (seen < rank) continue;
        double value = index + 0.5;
        if (index >= 1 << SUB_BITS) {
            int shift = (index >> SUB_BITS) - 1;
            uint64_t low = (1 << SUB_BITS) + (index & ((1 << SUB_BITS) - 1));
            value = ldexp(low + 0.5, shift);
        }
        return value * TICK_NS / 1e6;
    }
    return 0;
}

typedef struct {
    uint64_t frames, bytes;
} Traffic;

enum { SYNC, AWARENESS, ACK, OTHER, KINDS };
static const char *const KIND_NAMES[] = {"sync", "awareness", "ack", "other"};

static struct {
    Histogram latency, ack, late;
    Traffic up[KINDS], down[KINDS];
    uint64_t scheduled, sent, measured, expected, delivered, lost, missing;
    uint64_t resent, echoes, doubled, garbled, fragments, unreadable, dropped, refused;
    char first_fault[200];
} report;

static void fault(const char *what, const char *detail) {
    if (report.first_fault[0] == 0)
        snprintf(report.first_fault, sizeof report.first_fault, "%s: %.120s", what, detail);
}

/* -- people ------------------------------------------------------------------------------------ */

typedef enum { WAITING, CONNECTING, UPGRADING, SYNCING, READY, GONE } State;

typedef struct {
    uint64_t *bits;
    uint32_t words;
} Seen;

typedef struct Client {
    int fd, room, place;
    State state;
    bool waits_to_send, fetches; /* fetches: comes at the end, only to get the server's text */
    char *path, *document, *headers;
    uint64_t id, started;
    Buffer in, out;
    uint32_t sent, sent_space;
    uint64_t *sent_at; /* by number of the insertion */
    uint8_t *flags;    /* by number of the insertion: 1 came under another id */
    uint64_t *frame_at; /* by number of the frame that will be acknowledged; 0: not measured */
    uint64_t frames, frames_space, acked;
    uint32_t awareness_clock;
    Seen *seen; /* by place of the writer in the room */
    FILE *file;
} Client;

typedef struct {
    Client **clients;
    int count, space;
} Room;

static Client *clients;
static int client_count, ready_count, connecting_count, opened;
static Room *rooms;
static int room_count;

static struct {
    const char *file, *save;
    int port, length, sample, stages[8], stage_count, pid;
    double rate, seconds, warmup, drain, settle;
    bool awareness;
    uint64_t seed;
} options = {.length = 10, .seconds = 10, .warmup = 2, .drain = 10, .settle = 1, .rate = 1};

static int epoll, timer;
static uint64_t base_id, randomness, measured_from, typing_ends;
static uint8_t chunk[CHUNK];
static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static int8_t digit_of[256];

static uint64_t draw(void) {
    randomness ^= randomness << 13;
    randomness ^= randomness >> 7;
    return randomness ^= randomness << 17;
}

static char *copy_text(const char *text) { return some(strdup(text)); }

static void put_in_room(Client *client) {
    while (room_count <= client->room) {
        rooms = some(realloc(rooms, sizeof(Room) * (room_count + 1)));
        rooms[room_count++] = (Room){0};
    }
    Room *room = &rooms[client->room];
    if (room->count == room->space) {
        room->space = room->space ? room->space * 2 : 16;
        room->clients = some(realloc(room->clients, sizeof(Client *) * room->space));
    }
    client->place = room->count;
    room->clients[room->count++] = client;
}

static void read_client(char *line, Client *client) {
    char *rest = line, *field = strsep(&rest, "\t");
    client->room = atoi(field);
    client->path = copy_text((field = strsep(&rest, "\t")) ? field : "");
    client->document = copy_text((field = strsep(&rest, "\t")) ? field : "-");
    Buffer headers = {0};
    while ((field = strsep(&rest, "\t")) != NULL) {
        append(&headers, field, strlen(field));
        append(&headers, "\r\n", 2);
    }
    put_byte(&headers, 0);
    client->headers = (char *)headers.data;
    client->fd = -1;
}

static void read_clients(void) {
    FILE *file = fopen(options.file, "r");
    if (file == NULL) die(options.file);
    char *line = NULL;
    size_t space = 0;
    ssize_t length;
    int most = 0;
    while ((length = getline(&line, &space, file)) > 0) {
        if (line[length - 1] == '\n') line[length - 1] = 0;
        if (client_count == most) {
            most = most ? most * 2 : 64;
            clients = some(realloc(clients, sizeof(Client) * most));
        }
        clients[client_count] = (Client){0};
        read_client(line, &clients[client_count++]);
    }
    free(line);
    fclose(file);
    if (client_count == 0) die("no clients");
    for (int i = 0; i < client_count; i++) {
        clients[i].id = base_id + i;
        put_in_room(&clients[i]);
    }
    for (int i = 0; i < client_count; i++)
        clients[i].seen = some(calloc(rooms[clients[i].room].count, sizeof(Seen)));
}

/* One person of each of so many rooms keeps all that it received. */
static void choose_sample(void) {
    if (options.save == NULL) return;
    int step = (room_count + options.sample - 1) / options.sample;
    for (int i = 0; i < room_count; i += step > 0 ? step : 1) {
        Client *client = rooms[i].clients[i % rooms[i].count];
        char path[4096];
        snprintf(path, sizeof path, "%s/%d.replica", options.save, i);
        client->file = fopen(path, "w");
        if (client->file == NULL) die(path);
    }
}

static void keep(FILE *file, const uint8_t *update, size_t length) {
    uint32_t size = length;
    if (fwrite(&size, 1, 4, file) != 4 || fwrite(update, 1, length, file) != length) die("write");
}

/* -- sending ----------------------------------------------------------------------------------- */

static void watch(Client *client, int how, uint32_t events) {
    struct epoll_event event = {events, {.ptr = client}};
    if (epoll_ctl(epoll, how, client->fd, &event)) die("epoll");
}

static void drop(Client *client, const char *why) {
    if (client->state == GONE) return;
    if (client->state == READY) {
        ready_count--;
        if (!client->fetches) report.dropped++;
    } else {
        connecting_count--;
        if (!client->fetches) report.refused++;
    }
    fault(client->state == READY ? "dropped" : "refused", why);
    client->state = GONE;
    close(client->fd);
    client->fd = -1;
}

static void flush(Client *client) {
    while (client->out.length > 0) {
        ssize_t sent = send(client->fd, client->out.data, client->out.length, MSG_NOSIGNAL);
        if (sent > 0) {
            consume(&client->out, sent);
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) {
            drop(client, strerror(errno));
            return;
        }
        break;
    }
    bool waits = client->out.length > 0;
    if (waits != client->waits_to_send) {
        client->waits_to_send = waits;
        watch(client, EPOLL_CTL_MOD, EPOLLIN | (waits ? EPOLLOUT : 0));
    }
}

static void send_frame(Client *client, int opcode, int kind, const Buffer *payload) {
    uint32_t mask = draw();
    size_t before = client->out.length;
    put_frame(&client->out, opcode, payload->data, payload->length, (const uint8_t *)&mask);
    report.up[kind].frames++;
    report.up[kind].bytes += client->out.length - before;
    flush(client);
}

/* A message of y-protocols, under its document's name where the server wants it. */
static void start_message(Client *client, Buffer *message) {
    message->length = 0;
    if (strcmp(client->document, "-") != 0)
        put_var_bytes(message, client->document, strlen(client->document));
}

static void note_frame(Client *client, uint64_t at) {
    if (client->frames == client->frames_space) {
        client->frames_space = client->frames_space ? client->frames_space * 2 : 64;
        client->frame_at = some(realloc(client->frame_at, 8 * client->frames_space));
    }
    client->frame_at[client->frames++] = at;
}

static void send_sync(Client *client, int step, const void *content, size_t length, uint64_t at) {
    static Buffer message;
    start_message(client, &message);
    put_byte(&message, KIND_SYNC);
    put_byte(&message, step);
    put_var_bytes(&message, content, length);
    if (step != STEP_STATE) note_frame(client, at);
    send_frame(client, OPCODE_BINARY, SYNC, &message);
}

static void send_awareness(Client *client) {
    static Buffer message, entry;
    char state[200];
    int number = client - clients;
    snprintf(state, sizeof state,
             "{\"user\":{\"name\":\"Guest %d\",\"color\":\"#2a7f62\"},"
             "\"cursor\":{\"anchor\":%d,\"head\":%d}}",
             number, client->place, client->place);
    entry.length = 0;
    put_var_uint(&entry, 1);
    put_var_uint(&entry, client->id);
    put_var_uint(&entry, ++client->awareness_clock);
    put_var_bytes(&entry, state, strlen(state));
    start_message(client, &message);
    put_byte(&message, KIND_AWARENESS);
    put_var_bytes(&message, entry.data, entry.length);
    send_frame(client, OPCODE_BINARY, AWARENESS, &message);
}

/* What a person types: a line break, who (24 bits), which one (30 bits). */
static void write_text(char *text, int writer, uint32_t number) {
    if (options.length == 1) {
        text[0] = ALPHABET[number & 63];
        return;
    }
    text[0] = '\n';
    for (int i = 0; i < 4; i++) text[1 + i] = ALPHABET[writer >> 6 * (3 - i) & 63];
    for (int i = 0; i < 5; i++) text[5 + i] = ALPHABET[number >> 6 * (4 - i) & 63];
}

static bool read_text(const uint8_t *text, int *writer, uint32_t *number) {
    if (text[0] != '\n') return false;
    uint64_t value = 0;
    for (int i = 1; i < 10; i++) {
        if (digit_of[text[i]] < 0) return false;
        value = value << 6 | digit_of[text[i]];
    }
    *writer = value >> 30;
    *number = value & ((1u << 30) - 1);
    return *writer < client_count && *number < clients[*writer].sent;
}

static void type(Client *client, uint64_t due) {
    static Buffer update;
    report.scheduled++;
    if (client->state != READY) return;
    if (client->sent == client->sent_space) {
        client->sent_space = client->sent_space ? client->sent_space * 2 : 64;
        client->sent_at = some(realloc(client->sent_at, 8ull * client->sent_space));
        client->flags = some(realloc(client->flags, client->sent_space));
    }
    uint64_t clock = (uint64_t)client->sent * options.length;
    char text[10];
    write_text(text, client - clients, client->sent);
    update.length = 0;
    put_byte(&update, 1);
    put_byte(&update, 1);
    put_var_uint(&update, client->id);
    put_var_uint(&update, clock);
    if (clock == 0) { /* a string under the root "source" */
        put_byte(&update, 4);
        put_byte(&update, 1);
        put_var_bytes(&update, "source", 6);
    } else { /* a string right of one's own last character */
        put_byte(&update, 0x84);
        put_var_uint(&update, client->id);
        put_var_uint(&update, clock - 1);
    }
    put_var_bytes(&update, text, options.length);
    put_byte(&update, 0);
    uint64_t now = now_ns();
    bool measured = now >= measured_from;
    if (measured) note(&report.late, now - due);
    report.sent++;
    report.measured += measured;
    report.expected += rooms[client->room].count - 1;
    client->flags[client->sent] = 0;
    client->sent_at[client->sent++] = now;
    if (client->file) keep(client->file, update.data, update.length);
    send_sync(client, STEP_UPDATE, update.data, update.length, measured ? now : 0);
}

/* -- what comes: Yjs updates, first version -------------------------------------------------------
 * After yjs src/utils/UpdateDecoder.js and src/structs: only what has to be stepped over is read. */

static void note_op(Client *client, Client *writer, uint32_t number, uint64_t now) {
    Seen *seen = &client->seen[writer->place];
    uint32_t word = number / 64;
    if (word >= seen->words) {
        uint32_t words = seen->words ? seen->words * 2 : 2;
        while (words <= word) words *= 2;
        seen->bits = some(realloc(seen->bits, 8ull * words));
        memset(seen->bits + seen->words, 0, 8ull * (words - seen->words));
        seen->words = words;
    }
    uint64_t bit = 1ull << (number & 63);
    bool again = seen->bits[word] & bit;
    seen->bits[word] |= bit;
    if (again) {
        report.resent++;
    } else if (writer == client) {
        report.echoes++;
    } else {
        report.delivered++;
        uint64_t sent = writer->sent_at[number];
        if (sent >= measured_from) note(&report.latency, now - sent);
    }
}

static void note_double(int writer, uint32_t number) {
    report.doubled += !clients[writer].flags[number];
    clients[writer].flags[number] = 1;
}

/* Insertions of somebody else's client id: there may be none of ours among them. */
static void look_for_doubles(const uint8_t *text, size_t length) {
    int writer;
    uint32_t number;
    if (options.length == 10)
        for (size_t at = 0; at + 10 <= length; at++)
            if (read_text(text + at, &writer, &number)) note_double(writer, number);
}

static void note_string(Client *client, uint64_t id, uint64_t clock, Reader text, uint64_t now) {
    size_t length = text.end - text.at;
    if (id < base_id || id >= base_id + client_count) {
        look_for_doubles(text.at, length);
        return;
    }
    int number = id - base_id, size = options.length;
    Client *writer = &clients[number];
    size_t at = (size - clock % size) % size;
    if (at > 0 || (length - at) % size != 0) report.fragments++;
    for (; at + size <= length; at += size) {
        uint64_t op = (clock + at) / size;
        char text_sent[10];
        write_text(text_sent, number, op);
        int other;
        uint32_t other_op;
        if (writer->room == client->room && op < writer->sent &&
            memcmp(text_sent, text.at + at, size) == 0)
            note_op(client, writer, op, now);
        else if (size == 10 && read_text(text.at + at, &other, &other_op))
            note_double(other, other_op);
        else
            report.garbled++;
    }
}

static uint64_t utf16_length(Reader text) {
    uint64_t length = 0;
    for (; text.at < text.end; text.at++) length += ((*text.at & 0xC0) != 0x80) + (*text.at >= 0xF0);
    return length;
}

static void skip_any(Reader *reader, int depth) {
    if (depth > 32) reader->bad = true;
    if (reader->bad) return;
    uint64_t count;
    switch (get_byte(reader)) {
        case 127: case 126: case 121: case 120: return;
        case 125: get_var_uint(reader); return;
        case 124: count = 4; break;
        case 123: case 122: count = 8; break;
        case 119: case 116: get_var_bytes(reader); return;
        case 118:
            for (count = get_var_uint(reader); count > 0 && !reader->bad; count--) {
                get_var_bytes(reader);
                skip_any(reader, depth + 1);
            }
            return;
        case 117:
            for (count = get_var_uint(reader); count > 0 && !reader->bad; count--)
                skip_any(reader, depth + 1);
            return;
        default: reader->bad = true; return;
    }
    while (count-- > 0) get_byte(reader);
}

/* The content of one item; returns how many clocks it takes. */
static uint64_t read_content(
    Client *client, int kind, uint64_t id, uint64_t clock, Reader *reader, uint64_t now) {
    uint64_t count;
    Reader text;
    switch (kind) {
        case 1: return get_var_uint(reader); /* deleted */
        case 2: /* JSON */
            count = get_var_uint(reader);
            for (uint64_t i = 0; i < count && !reader->bad; i++) get_var_bytes(reader);
            return count;
        case 3: case 5: get_var_bytes(reader); return 1; /* bytes, embedded JSON */
        case 4:
            text = get_var_bytes(reader);
            if (reader->bad) return 0;
            note_string(client, id, clock, text, now);
            return utf16_length(text);
        case 6: get_var_bytes(reader); get_var_bytes(reader); return 1; /* format */
        case 7: /* type */
            count = get_var_uint(reader);
            if (count == 3 || count == 5) get_var_bytes(reader);
            return 1;
        case 8: /* any */
            count = get_var_uint(reader);
            for (uint64_t i = 0; i < count && !reader->bad; i++) skip_any(reader, 0);
            return count;
        case 9: get_var_bytes(reader); skip_any(reader, 0); return 1; /* document */
        default: reader->bad = true; return 0;
    }
}

static uint64_t read_struct(
    Client *client, uint64_t id, uint64_t clock, Reader *reader, uint64_t now) {
    uint8_t info = get_byte(reader);
    int kind = info & 31;
    if (kind == 0 || kind == 10) return get_var_uint(reader); /* collected, or left out */
    if (info & 0x80) get_var_uint(reader), get_var_uint(reader);
    if (info & 0x40) get_var_uint(reader), get_var_uint(reader);
    if ((info & 0xC0) == 0) {
        if (get_var_uint(reader) == 1) get_var_bytes(reader);
        else get_var_uint(reader), get_var_uint(reader);
        if (info & 0x20) get_var_bytes(reader);
    }
    return reader->bad ? 0 : read_content(client, kind, id, clock, reader, now);
}

static void read_update(Client *client, Reader reader, uint64_t now) {
    uint64_t writers = get_var_uint(&reader);
    for (; writers > 0 && !reader.bad; writers--) {
        uint64_t structs = get_var_uint(&reader), id = get_var_uint(&reader);
        uint64_t clock = get_var_uint(&reader);
        for (; structs > 0 && !reader.bad; structs--)
            clock += read_struct(client, id, clock, &reader, now);
    }
    if (reader.bad) {
        report.unreadable++;
        fault("unreadable", "update");
    }
}

static void synced(Client *client) {
    client->state = READY;
    connecting_count--;
    ready_count++;
    if (options.awareness && !client->fetches) send_awareness(client);
}

static void receive_sync(Client *client, Reader *reader, uint64_t now) {
    uint64_t step = get_var_uint(reader);
    Reader content = get_var_bytes(reader);
    if (reader->bad) {
        report.unreadable++;
        return;
    }
    if (step == STEP_STATE) {
        send_sync(client, STEP_MISSING, "\0", 2, 0);
        return;
    }
    if (client->fetches) {
        if (step == STEP_MISSING && client->state == SYNCING) {
            keep(client->file, content.at, content.end - content.at);
            synced(client);
        }
        return;
    }
    if (client->file) keep(client->file, content.at, content.end - content.at);
    read_update(client, content, now);
    if (step == STEP_MISSING && client->state == SYNCING) synced(client);
}

static void receive_ack(Client *client, uint64_t count, uint64_t now) {
    if (count > client->frames) {
        report.unreadable++;
        fault("unreadable", "an acknowledgement of what was not sent");
        return;
    }
    for (; client->acked < count; client->acked++) {
        uint64_t at = client->frame_at[client->acked];
        if (at != 0) note(&report.ack, now - at);
    }
}

static int receive_message(Client *client, const Frame *frame, uint64_t now) {
    Reader reader = {frame->payload, frame->payload + frame->length, false};
    if (strcmp(client->document, "-") != 0) get_var_bytes(&reader);
    uint64_t kind = get_var_uint(&reader);
    if (reader.bad) {
        report.unreadable++;
        return OTHER;
    }
    switch (kind) {
        case KIND_SYNC_REPLY:
            if (strcmp(client->document, "-") == 0) return OTHER;
            /* fall through */
        case KIND_SYNC: receive_sync(client, &reader, now); return SYNC;
        case KIND_AWARENESS: return AWARENESS;
        case KIND_ACK: receive_ack(client, get_var_uint(&reader), now); return ACK;
        case KIND_SYNC_STATUS: return ACK;
        default: return OTHER;
    }
}

static void receive_frame(Client *client, const Frame *frame, uint64_t now) {
    int kind = OTHER;
    if (frame->opcode == OPCODE_BINARY && frame->last) {
        kind = receive_message(client, frame, now);
    } else if (frame->opcode == OPCODE_PING) {
        Buffer same = {frame->payload, frame->length, 0};
        send_frame(client, OPCODE_PONG, OTHER, &same);
    } else if (frame->opcode == OPCODE_CLOSE) {
        char words[200] = "closed";
        if (frame->length >= 2)
            snprintf(words, sizeof words, "%d %.*s", frame->payload[0] << 8 | frame->payload[1],
                     (int)frame->length - 2, frame->payload + 2);
        drop(client, words);
    } else if (!frame->last || frame->opcode == OPCODE_CONTINUATION) {
        report.unreadable++;
        fault("unreadable", "a frame in pieces");
    }
    report.down[kind].frames++;
    report.down[kind].bytes += frame->whole;
}

/* -- connections ------------------------------------------------------------------------------- */

static void start_connection(Client *client) {
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (client->fd < 0) die("socket");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    no_delay(client->fd);
    connecting_count++;
    client->started = now_ns();
    client->state = CONNECTING;
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) {
        drop(client, strerror(errno));
        return;
    }
    client->waits_to_send = true;
    watch(client, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void send_upgrade(Client *client) {
    client->state = UPGRADING;
    char start[8192];
    int length = snprintf(start, sizeof start,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                          client->path, options.port, client->headers);
    if (length >= (int)sizeof start) die("headers");
    append(&client->out, start, length);
    flush(client);
}

/* How many bytes the server's answer to the upgrade takes; 0 when it is not all there. */
static size_t read_upgrade(Client *client, const uint8_t *data, size_t length) {
    const uint8_t *end = memmem(data, length, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    if (length < 13 || memcmp(data + 8, " 101 ", 5) != 0) {
        char words[100];
        snprintf(words, sizeof words, "%.*s", (int)strcspn((const char *)data, "\r"), data);
        drop(client, words);
        return 0;
    }
    client->state = SYNCING;
    if (strcmp(client->document, "-") != 0) {
        static Buffer message;
        start_message(client, &message);
        put_byte(&message, KIND_AUTH);
        put_byte(&message, 0);
        put_var_bytes(&message, "token", 5);
        send_frame(client, OPCODE_BINARY, OTHER, &message);
    }
    send_sync(client, STEP_STATE, "\0", 1, 0);
    return end + 4 - data;
}

static size_t read_frames(Client *client, uint8_t *data, size_t length, uint64_t now) {
    size_t at = 0;
    Frame frame;
    if (client->state == UPGRADING) at = read_upgrade(client, data, length);
    while (client->state >= SYNCING && client->state != GONE &&
           read_frame(data + at, length - at, &frame)) {
        receive_frame(client, &frame, now);
        at += frame.whole;
    }
    return at;
}

static void receive(Client *client) {
    ssize_t got = recv(client->fd, chunk, sizeof chunk, 0);
    uint64_t now = now_ns();
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        drop(client, got == 0 ? "the server closed the connection" : strerror(errno));
        return;
    }
    if (client->in.length == 0) { /* as good as always: read where it came */
        size_t used = read_frames(client, chunk, got, now);
        append(&client->in, chunk + used, got - used);
        return;
    }
    append(&client->in, chunk, got);
    consume(&client->in, read_frames(client, client->in.data, client->in.length, now));
}

/* Handle what has come; wait until a time at most. */
static void turn(uint64_t until) {
    static uint64_t armed;
    if (until != armed) {
        struct itimerspec at = {{0, 0}, {until / SECOND, until % SECOND}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        armed = until;
    }
    struct epoll_event events[256];
    int count = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < count; i++) {
        Client *client = events[i].data.ptr;
        if (client == NULL) {
            uint64_t times;
            if (read(timer, &times, sizeof times) > 0) armed = 0;
            continue;
        }
        if (events[i].events & EPOLLOUT && client->state != GONE) {
            if (client->state == CONNECTING) send_upgrade(client);
            else flush(client);
        }
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && client->state != GONE)
            receive(client);
    }
}

static void wait_for(double seconds) {
    uint64_t until = now_ns() + seconds * SECOND;
    while (now_ns() < until) turn(until);
}

static void give_up(Client *all, int count) {
    for (int i = 0; i < count; i++)
        if (all[i].state > WAITING && all[i].state < READY &&
            now_ns() - all[i].started > CONNECT_SECONDS * SECOND)
            drop(&all[i], "not in sync in time");
}

static void open_until(int most) {
    while (opened < most || connecting_count > 0) {
        while (opened < most && connecting_count < CONNECTING_MOST)
            start_connection(&clients[opened++]);
        turn(now_ns() + SECOND / 10);
        give_up(clients, opened);
    }
}

/* -- the run ----------------------------------------------------------------------------------- */

typedef struct {
    int *order;      /* clients by phase */
    double *offset;  /* of each in the period, in nanoseconds */
    double period;
    uint64_t start, step;
} Wheel;

static double *phases;

static int by_phase(const void *a, const void *b) {
    double one = phases[*(const int *)a], other = phases[*(const int *)b];
    return (one > other) - (one < other);
}

static Wheel make_wheel(double seconds, uint64_t start) {
    Wheel wheel = {.period = seconds * SECOND, .start = start};
    wheel.order = some(malloc(sizeof(int) * client_count));
    wheel.offset = phases = some(malloc(sizeof(double) * client_count));
    for (int i = 0; i < client_count; i++) {
        wheel.order[i] = i;
        phases[i] = (draw() >> 11) * 0x1p-53 * wheel.period;
    }
    qsort(wheel.order, client_count, sizeof(int), by_phase);
    return wheel;
}

static Client *next_of(const Wheel *wheel, uint64_t *due) {
    int index = wheel->order[wheel->step % client_count];
    uint64_t round = wheel->step / client_count;
    *due = wheel->start + (uint64_t)(round * wheel->period + wheel->offset[index]);
    return &clients[index];
}

typedef struct {
    double server, own, machine, at; /* machine: all that runs on it, and what it was not given */
} Cpu;

static double machine_busy(void) {
    unsigned long user, nice, kernel, idle, wait, irq, softirq, steal;
    FILE *file = fopen("/proc/stat", "r");
    if (file == NULL) return 0;
    int got = fscanf(file, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", &user, &nice, &kernel, &idle,
                     &wait, &irq, &softirq, &steal);
    fclose(file);
    if (got != 8) return 0;
    return (double)(user + nice + kernel + irq + softirq + steal) / sysconf(_SC_CLK_TCK);
}

static Cpu used_until_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    Cpu cpu = {.at = now_ns() / 1e9, .machine = machine_busy()};
    cpu.own = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
              (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", options.pid);
    FILE *file = options.pid ? fopen(path, "r") : NULL;
    if (file == NULL) return cpu;
    unsigned long user = 0, kernel = 0;
    if (fgets(line, sizeof line, file) != NULL)
        sscanf(strrchr(line, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &kernel);
    fclose(file);
    cpu.server = (double)(user + kernel) / sysconf(_SC_CLK_TCK);
    return cpu;
}

static long resident_kib(void) {
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", options.pid);
    FILE *file = options.pid ? fopen(path, "r") : NULL;
    if (file == NULL) return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static Cpu measured_first, measured_last;

static void type_all(void) {
    uint64_t start = now_ns() + SECOND / 20, due, awareness_due, now;
    measured_from = start + options.warmup * SECOND;
    typing_ends = measured_from + options.seconds * SECOND;
    Wheel keys = make_wheel(1 / options.rate, start);
    Wheel states = make_wheel(AWARENESS_SECONDS, start + SECOND);
    bool measuring = false;
    while ((now = now_ns()) < typing_ends) {
        if (!measuring && now >= measured_from) {
            measuring = true;
            measured_first = used_until_now();
        }
        Client *client = next_of(&keys, &due);
        for (int batch = 0; batch < 256 && due <= now; batch++) {
            keys.step++;
            type(client, due);
            client = next_of(&keys, &due);
        }
        Client *speaker = next_of(&states, &awareness_due);
        if (awareness_due <= now) {
            states.step++;
            if (options.awareness && speaker->state == READY) send_awareness(speaker);
        }
        uint64_t until = due < awareness_due ? due : awareness_due;
        if (!measuring && measured_from < until) until = measured_from;
        turn(until < typing_ends ? until : typing_ends);
    }
    measured_last = used_until_now();
    /* What should have been typed by now and was not. */
    for (next_of(&keys, &due); due <= typing_ends; next_of(&keys, &due)) {
        keys.step++;
        report.scheduled++;
    }
}

static bool all_there(void) {
    return report.delivered >= report.expected;
}

static void drain(void) {
    uint64_t until = now_ns() + options.drain * SECOND;
    while (!all_there() && now_ns() < until) turn(now_ns() + SECOND / 20);
    wait_for((double)QUIET_NS / SECOND);
}

static void count_missing(void) {
    for (int i = 0; i < client_count; i++) {
        Client *writer = &clients[i];
        Room *room = &rooms[writer->room];
        for (uint32_t op = 0; op < writer->sent; op++) {
            int missing = 0;
            for (int j = 0; j < room->count; j++) {
                Seen *seen = &room->clients[j]->seen[writer->place];
                if (room->clients[j] == writer) continue;
                missing += op / 64 >= seen->words || !(seen->bits[op / 64] >> (op & 63) & 1);
            }
            report.missing += missing;
            report.lost += missing > 0;
        }
    }
}

/* Somebody new comes to the rooms of the sample: what the server says that their text is. */
static void fetch_texts(void) {
    Client *fetchers = some(calloc(client_count, sizeof(Client)));
    int count = 0, closed = 0;
    for (int i = 0; i < client_count; i++) {
        if (clients[i].file == NULL) continue;
        fclose(clients[i].file);
        clients[i].file = NULL;
        Client *fetcher = &fetchers[count++];
        *fetcher = (Client){.room = clients[i].room, .path = clients[i].path, .fetches = true};
        fetcher->document = clients[i].document;
        fetcher->headers = clients[i].headers;
        char path[4096];
        snprintf(path, sizeof path, "%s/%d.server", options.save, fetcher->room);
        fetcher->file = fopen(path, "w");
        if (fetcher->file == NULL) die(path);
    }
    uint64_t until = now_ns() + FETCH_SECONDS * SECOND;
    for (int next = 0; closed < count && now_ns() < until;) {
        while (next < count && connecting_count < CONNECTING_MOST)
            start_connection(&fetchers[next++]);
        turn(now_ns() + SECOND / 10);
        for (int i = 0; i < next; i++) {
            if (fetchers[i].file == NULL || fetchers[i].state < READY) continue;
            fclose(fetchers[i].file);
            fetchers[i].file = NULL;
            if (fetchers[i].fd >= 0) close(fetchers[i].fd);
            fetchers[i].fd = -1;
            fetchers[i].state = GONE;
            closed++;
        }
    }
    for (int i = 0; i < count; i++)
        if (fetchers[i].file) fclose(fetchers[i].file);
}

/* -- the report -------------------------------------------------------------------------------- */

static void print_times(const char *name, const Histogram *times) {
    printf("\"%s\": {\"n\": %lu, \"p50\": %.3f, \"p95\": %.3f, \"p99\": %.3f, \"max\": %.3f}, ", name,
           times->total, percentile(times, 0.5), percentile(times, 0.95), percentile(times, 0.99),
           times->most / 1e6);
}

static void print_traffic(const char *name, const Traffic *traffic) {
    printf("\"%s\": {", name);
    for (int i = 0; i < KINDS; i++)
        printf("%s\"%s\": {\"frames\": %lu, \"bytes\": %lu}", i ? ", " : "", KIND_NAMES[i],
               traffic[i].frames, traffic[i].bytes);
    printf("}, ");
}

static void print_text(const char *text) {
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        putchar((unsigned char)*text < 32 ? ' ' : *text);
    }
    putchar('"');
}

static void print_report(int connected, const long *resident) {
    double wall = measured_last.at - measured_first.at;
    printf("{\"clients\": %d, \"rooms\": %d, \"connected\": %d, ", client_count, room_count,
           connected);
    printf("\"seconds\": %.3f, \"characters_per_op\": %d, ", wall, options.length);
#define PRINT(field) printf("\"" #field "\": %lu, ", report.field)
    PRINT(scheduled), PRINT(sent), PRINT(measured), PRINT(expected), PRINT(delivered), PRINT(lost);
    PRINT(missing), PRINT(resent), PRINT(echoes), PRINT(doubled), PRINT(garbled);
    PRINT(fragments), PRINT(unreadable), PRINT(dropped), PRINT(refused);
    print_times("latency_ms", &report.latency);
    print_times("ack_ms", &report.ack);
    print_times("late_ms", &report.late);
    print_traffic("up", report.up);
    print_traffic("down", report.down);
    printf("\"server_cpu_seconds\": %.2f, ", measured_last.server - measured_first.server);
    printf("\"server_cpu\": %.4f, ",
           wall > 0 ? (measured_last.server - measured_first.server) / wall : 0);
    printf("\"own_cpu_seconds\": %.3f, ", measured_last.own - measured_first.own);
    printf("\"own_cpu\": %.4f, ", wall > 0 ? (measured_last.own - measured_first.own) / wall : 0);
    double others = measured_last.machine - measured_first.machine -
                    (measured_last.server - measured_first.server) -
                    (measured_last.own - measured_first.own);
    printf("\"others_cpu\": %.4f, ", wall > 0 && others > 0 ? others / wall : 0);
    printf("\"resident_kib\": [");
    for (int i = 0; i <= options.stage_count; i++) printf("%s%ld", i ? ", " : "", resident[i]);
    printf("], \"first_fault\": ");
    print_text(report.first_fault);
    printf("}\n");
}

static void read_stages(char *text) {
    for (char *field; (field = strsep(&text, ",")) != NULL && options.stage_count < 8;)
        options.stages[options.stage_count++] = atoi(field);
}

static void read_options(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i];
        char *value = argv[i + 1];
        if (strcmp(name, "--clients") == 0) options.file = value;
        else if (strcmp(name, "--port") == 0) options.port = atoi(value);
        else if (strcmp(name, "--pid") == 0) options.pid = atoi(value);
        else if (strcmp(name, "--rate") == 0) options.rate = atof(value);
        else if (strcmp(name, "--seconds") == 0) options.seconds = atof(value);
        else if (strcmp(name, "--warmup") == 0) options.warmup = atof(value);
        else if (strcmp(name, "--drain") == 0) options.drain = atof(value);
        else if (strcmp(name, "--settle") == 0) options.settle = atof(value);
        else if (strcmp(name, "--length") == 0) options.length = atoi(value);
        else if (strcmp(name, "--awareness") == 0) options.awareness = atoi(value);
        else if (strcmp(name, "--seed") == 0) options.seed = strtoull(value, NULL, 10);
        else if (strcmp(name, "--save") == 0) options.save = value;
        else if (strcmp(name, "--sample") == 0) options.sample = atoi(value);
        else if (strcmp(name, "--stages") == 0) read_stages(value);
        else die(name);
    }
    if (options.file == NULL || options.port == 0) die("--clients and --port are needed");
    if (options.length != 1 && options.length != 10) die("--length is 1 or 10");
    if (options.sample < 1) options.sample = 100;
}

static void set_up(void) {
    randomness = options.seed ? options.seed : now_ns() ^ (uint64_t)getpid() << 32;
    for (int i = 0; i < 8; i++) draw();
    base_id = (1u << 30) + draw() % (1u << 29);
    memset(digit_of, -1, sizeof digit_of);
    for (int i = 0; i < 64; i++) digit_of[(uint8_t)ALPHABET[i]] = i;
    more_files();
    epoll = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}};
    if (epoll < 0 || timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event)) die("epoll");
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    set_up();
    read_clients();
    choose_sample();
    long resident[9] = {resident_kib()};
    for (int i = 0; i < options.stage_count; i++) {
        open_until(options.stages[i] < client_count ? options.stages[i] : client_count);
        wait_for(options.settle);
        resident[i + 1] = resident_kib();
    }
    open_until(client_count);
    wait_for(options.settle);
    int connected = ready_count;
    memset(report.up, 0, sizeof report.up);
    memset(report.down, 0, sizeof report.down);
    if (options.seconds > 0) {
        type_all();
        drain();
        count_missing();
    }
    Traffic up[KINDS], down[KINDS];
    memcpy(up, report.up, sizeof up);
    memcpy(down, report.down, sizeof down);
    if (options.save != NULL) fetch_texts();
    memcpy(report.up, up, sizeof up);
    memcpy(report.down, down, sizeof down);
    print_report(connected, resident);
    return 0;
}
