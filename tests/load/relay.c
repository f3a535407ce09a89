/* The smallest server there can be: what one client of a room sends goes to all the others.
 *
 * It understands nothing of what it relays, but answers a state vector with "here is nothing". What
 * the generator holds against it is the generator's own ceiling. Its faults show that the generator
 * sees them: every n-th update is dropped, sent twice, or sent again under another Yjs client id, or
 * its sender is thrown out.
 *
 * relay [--drop N] [--resend N] [--double N] [--cut N]     prints its port, ends with its stdin
 */

#include "wire.h"

#define STEP_STATE 0
#define STEP_MISSING 1
#define STEP_UPDATE 2
#define ANOTHER_ID 100000000u

typedef struct Client {
    int fd, room, place; /* place: in the list of the room */
    bool upgraded, dirty, waiting;
    Buffer in, out;
} Client;

typedef struct {
    char path[512];
    Client **clients;
    int count, space;
} Room;

static const uint8_t WELCOME[] = {0, STEP_STATE, 1, 0, 0, STEP_MISSING, 2, 0, 0};
static Room *rooms;
static int room_count, epoll;
static Client **dirty;
static int dirty_count, dirty_space;
static uint64_t updates, drop_every, resend_every, double_every, cut_every;
static uint8_t chunk[1 << 18];

static int room_of(const char *path) {
    for (int i = 0; i < room_count; i++)
        if (strcmp(rooms[i].path, path) == 0) return i;
    rooms = some(realloc(rooms, sizeof(Room) * (room_count + 1)));
    rooms[room_count] = (Room){0};
    snprintf(rooms[room_count].path, sizeof rooms[0].path, "%s", path);
    return room_count++;
}

static void enter(Client *client, const char *path) {
    client->room = room_of(path);
    Room *room = &rooms[client->room];
    if (room->count == room->space) {
        room->space = room->space ? room->space * 2 : 16;
        room->clients = some(realloc(room->clients, sizeof(Client *) * room->space));
    }
    client->place = room->count;
    room->clients[room->count++] = client;
    client->upgraded = true;
}

static void leave(Client *client) {
    close(client->fd);
    client->fd = -1;
    if (client->upgraded) {
        Room *room = &rooms[client->room];
        Client *last = room->clients[--room->count];
        room->clients[client->place] = last;
        last->place = client->place;
    }
    release(&client->in);
    release(&client->out);
    if (!client->dirty) free(client);
}

static void mark(Client *client) {
    if (client->dirty) return;
    if (dirty_count == dirty_space) {
        dirty_space = dirty_space ? dirty_space * 2 : 256;
        dirty = some(realloc(dirty, sizeof(Client *) * dirty_space));
    }
    client->dirty = true;
    dirty[dirty_count++] = client;
}

static void send_on(Client *sender, const uint8_t *payload, size_t length) {
    Buffer frame = {0};
    put_frame(&frame, OPCODE_BINARY, payload, length, NULL);
    Room *room = &rooms[sender->room];
    for (int i = 0; i < room->count; i++) {
        Client *client = room->clients[i];
        if (client == sender) continue;
        append(&client->out, frame.data, frame.length);
        mark(client);
    }
    release(&frame);
}

/* The same insertion as if somebody else had typed it: another number where the client id is. */
static void send_double(Client *sender, const uint8_t *payload, size_t length) {
    Reader reader = {payload + 2, payload + length, false};
    Reader update = get_var_bytes(&reader);
    get_var_uint(&update);
    get_var_uint(&update);
    size_t at = update.at - payload;
    uint64_t id = get_var_uint(&update);
    if (update.bad) return;
    Buffer copy = {0};
    append(&copy, payload, at);
    put_var_uint(&copy, id + ANOTHER_ID);
    append(&copy, update.at, payload + length - update.at);
    if (copy.length == length) send_on(sender, copy.data, copy.length);
    release(&copy);
}

/* Whether the sender may stay. */
static bool relay(Client *sender, const Frame *frame) {
    const uint8_t *payload = frame->payload;
    bool sync = frame->length >= 2 && payload[0] == 0;
    if (sync && payload[1] == STEP_STATE) {
        put_frame(&sender->out, OPCODE_BINARY, WELCOME, 4, NULL);
        put_frame(&sender->out, OPCODE_BINARY, WELCOME + 4, 5, NULL);
        mark(sender);
        return true;
    }
    if (sync && payload[1] == STEP_MISSING) return true;
    if (sync && payload[1] == STEP_UPDATE) {
        updates++;
        if (cut_every && updates % cut_every == 0) return false;
        if (drop_every && updates % drop_every == 0) return true;
        if (resend_every && updates % resend_every == 0) send_on(sender, payload, frame->length);
        if (double_every && updates % double_every == 0)
            send_double(sender, payload, frame->length);
    }
    send_on(sender, payload, frame->length);
    return true;
}

static bool upgrade(Client *client) {
    put_byte(&client->in, 0);
    client->in.length--;
    char *request = (char *)client->in.data;
    char *end = strstr(request, "\r\n\r\n");
    if (end == NULL) return true;
    char path[512];
    if (sscanf(request, "GET %511s", path) != 1) return false;
    enter(client, path);
    const char answer[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    append(&client->out, answer, sizeof answer - 1);
    mark(client);
    consume(&client->in, end + 4 - request);
    return true;
}

/* Whether the client may stay. */
static bool receive(Client *client) {
    ssize_t got = recv(client->fd, chunk, sizeof chunk, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) return false;
    append(&client->in, chunk, got);
    if (!client->upgraded && !upgrade(client)) return false;
    if (!client->upgraded) return true;
    size_t at = 0;
    Frame frame;
    while (read_frame(client->in.data + at, client->in.length - at, &frame)) {
        at += frame.whole;
        if (frame.opcode == OPCODE_CLOSE) return false;
        if (frame.opcode == OPCODE_BINARY && !relay(client, &frame)) return false;
    }
    consume(&client->in, at);
    return true;
}

static void flush(Client *client) {
    ssize_t sent = send(client->fd, client->out.data, client->out.length, MSG_NOSIGNAL);
    if (sent > 0) consume(&client->out, sent);
    bool wait = client->out.length > 0;
    if (wait != client->waiting) {
        client->waiting = wait;
        struct epoll_event event = {EPOLLIN | (wait ? EPOLLOUT : 0), {.ptr = client}};
        epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
    }
}

/* One send for each client for all that has gathered in a turn. */
static void flush_all(void) {
    for (int i = 0; i < dirty_count; i++) {
        Client *client = dirty[i];
        client->dirty = false;
        if (client->fd < 0)
            free(client);
        else
            flush(client);
    }
    dirty_count = 0;
}

static int listen_somewhere(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 4096)) die("listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void watch(int fd, void *who) {
    struct epoll_event event = {EPOLLIN, {.ptr = who}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("epoll");
}

static void accept_all(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        no_delay(fd);
        Client *client = some(calloc(1, sizeof(Client)));
        client->fd = fd;
        watch(fd, client);
    }
}

int main(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--drop") == 0) drop_every = value;
        else if (strcmp(argv[i], "--resend") == 0) resend_every = value;
        else if (strcmp(argv[i], "--double") == 0) double_every = value;
        else if (strcmp(argv[i], "--cut") == 0) cut_every = value;
        else die(argv[i]);
    }
    more_files();
    epoll = epoll_create1(0);
    int listener = listen_somewhere(), parent = 0;
    watch(listener, &listener);
    watch(STDIN_FILENO, &parent);
    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            void *who = events[i].data.ptr;
            if (who == &parent) return 0;
            if (who == &listener) {
                accept_all(listener);
                continue;
            }
            Client *client = who;
            if (events[i].events & EPOLLOUT) mark(client);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !receive(client))
                leave(client);
        }
        flush_all();
    }
}
