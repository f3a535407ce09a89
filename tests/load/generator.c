/* A load generator for Yjs servers: thousands of WebSocket clients in one thread.
 *
 * Each client inserts ten characters at a time behind its own last ones. The ten characters name the
 * writer and the number of the insertion, and the Yjs id of their struct follows from both: so every
 * client can say of every insertion whether it came, came again, or came as something else.
 * Sender and receiver are in one process: latencies need no second clock.
 *
 * usage: generator FILE [--rates A,B] [--seconds S] [--warmup S] [--drain S] [--characters N]
 *                       [--awareness S] [--hocuspocus] [--dump FOLDER] [--pid PID]
 *        generator --relay PORT [--lose N] [--double N]
 *
 * FILE: a line "HOST PORT", then a line for each client: room number, path and headers, with tabs
 * between them. Prints a line of JSON for each rate (insertions per client and second).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BASE 1000000u
#define BUCKETS 1024
#define EVENTS 512
#define CONNECTING_AT_ONCE 40

typedef struct { uint8_t *at; size_t len, size; } Buffer;

typedef struct {
  int fd, room, number, place; /* place: which of its room's clients it is */
  int upgraded, synced, gone;
  char *path, *headers;
  uint8_t prefix[300];
  size_t prefix_len;
  Buffer in, out;
  uint32_t clock, seq, acked;
  double *sent;
  uint8_t *seen; /* a bit for each insertion of each client of the room */
  FILE *dump;
  uint32_t awareness_clock;
} Client;

typedef struct { int first, count; } Room;

static Client *clients;
static Room *rooms;
static int client_count, room_count, epoll_fd, hocuspocus, characters = 10, measuring;
static uint32_t most; /* insertions of one client at most */
static double awareness_seconds = 15;
static uint64_t latency[BUCKETS], ack_latency[BUCKETS], lateness[BUCKETS];
static double latency_max;
static uint64_t ops, deliveries, resent, doubled, unreadable, dropped;
static uint64_t bytes_in, frames_in, bytes_out, frames_out, acks;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *words) { perror(words); exit(2); }

static void count_in(uint64_t *histogram, double seconds) {
  double us = seconds * 1e6;
  int bucket = us <= 1 ? 0 : (int)(log2(us) * 36);
  histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static double percentile(uint64_t *histogram, double share) {
  uint64_t total = 0, below = 0;
  for (int i = 0; i < BUCKETS; i++) total += histogram[i];
  if (!total) return -1;
  for (int i = 0; i < BUCKETS; i++)
    if ((below += histogram[i]) >= share * total) return exp2((i + 0.5) / 36) / 1e3;
  return -1;
}

static void grow(Buffer *b, size_t more) {
  if (b->len + more <= b->size) return;
  b->size = (b->len + more) * 2 + 256;
  b->at = realloc(b->at, b->size);
  if (!b->at) die("memory");
}

/* -- writing ---------------------------------------------------------------------------------- */

static size_t put_uint(uint8_t *to, uint64_t value) {
  size_t n = 0;
  while (value > 127) { to[n++] = 128 | (value & 127); value >>= 7; }
  to[n++] = value;
  return n;
}

static void watch(Client *c) {
  struct epoll_event e = {.events = EPOLLIN | (c->out.len ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static void hang_up(Client *c) {
  if (c->gone) return;
  c->gone = 1;
  dropped++;
  epoll_ctl(epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
  close(c->fd);
}

static void write_raw(Client *c, const uint8_t *data, size_t len) {
  if (c->gone) return;
  if (!c->out.len) {
    ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
    if (n == (ssize_t)len) return;
    if (n < 0) {
      if (errno != EAGAIN) { hang_up(c); return; }
      n = 0;
    }
    data += n;
    len -= n;
  }
  grow(&c->out, len);
  memcpy(c->out.at + c->out.len, data, len);
  c->out.len += len;
  watch(c);
}

static void flush_out(Client *c) {
  ssize_t n = send(c->fd, c->out.at, c->out.len, MSG_NOSIGNAL);
  if (n < 0) {
    if (errno != EAGAIN) hang_up(c);
    return;
  }
  memmove(c->out.at, c->out.at + n, c->out.len - n);
  c->out.len -= n;
  watch(c);
}

static void send_message(Client *c, const uint8_t *message, size_t len) {
  static uint8_t frame[4096];
  static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
  size_t n = 0, whole = c->prefix_len + len;
  frame[n++] = 0x82;
  if (whole < 126) frame[n++] = 0x80 | whole;
  else { frame[n++] = 0x80 | 126; frame[n++] = whole >> 8; frame[n++] = whole & 255; }
  memcpy(frame + n, mask, 4);
  n += 4;
  for (size_t i = 0; i < whole; i++) {
    uint8_t byte = i < c->prefix_len ? c->prefix[i] : message[i - c->prefix_len];
    frame[n++] = byte ^ mask[i & 3];
  }
  bytes_out += n;
  frames_out++;
  write_raw(c, frame, n);
}

static void send_awareness(Client *c) {
  static const char state[] =
      "{\"cursors\":[{\"anchor\":{\"type\":null,\"tname\":\"source\",\"item\":null,\"assoc\":0},"
      "\"head\":{\"type\":null,\"tname\":\"source\",\"item\":null,\"assoc\":0}}],"
      "\"user\":{\"name\":\"load\"}}";
  uint8_t entry[512], message[600];
  size_t n = put_uint(entry, 1), m = 0;
  n += put_uint(entry + n, BASE + c->number);
  n += put_uint(entry + n, ++c->awareness_clock);
  n += put_uint(entry + n, sizeof state - 1);
  memcpy(entry + n, state, sizeof state - 1);
  n += sizeof state - 1;
  message[m++] = 1;
  m += put_uint(message + m, n);
  memcpy(message + m, entry, n);
  send_message(c, message, m + n);
}

static void insert(Client *c) {
  static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
  uint8_t update[128], message[160];
  size_t n = 0, m = 0;
  if (c->seq >= most || c->gone) return;
  update[n++] = 1;
  update[n++] = 1;
  n += put_uint(update + n, BASE + c->number);
  n += put_uint(update + n, c->clock);
  if (c->clock) {
    update[n++] = 0x84;
    n += put_uint(update + n, BASE + c->number);
    n += put_uint(update + n, c->clock - 1);
  } else {
    memcpy(update + n, "\x04\x01\x06source", 9);
    n += 9;
  }
  n += put_uint(update + n, characters);
  if (characters == 10) {
    uint32_t writer = c->number, seq = c->seq;
    for (int i = 3; i >= 0; i--) { update[n + i] = digits[writer & 63]; writer >>= 6; }
    for (int i = 9; i >= 4; i--) { update[n + i] = digits[seq & 63]; seq >>= 6; }
  } else {
    memset(update + n, 'x', characters);
  }
  n += characters;
  update[n++] = 0;
  message[m++] = 0;
  message[m++] = 2;
  m += put_uint(message + m, n);
  memcpy(message + m, update, n);
  c->clock += characters;
  c->sent[c->seq++] = now();
  ops++;
  send_message(c, message, m + n);
}

/* -- reading ---------------------------------------------------------------------------------- */

typedef struct { const uint8_t *at, *end; int bad; } Reader;

static uint64_t get_uint(Reader *r) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && r->at < r->end; shift += 7) {
    uint8_t byte = *r->at++;
    value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return value;
  }
  r->bad = 1;
  return 0;
}

static const uint8_t *get_bytes(Reader *r, size_t len) {
  const uint8_t *start = r->at;
  if (len > (size_t)(r->end - r->at)) { r->bad = 1; return r->end; }
  r->at += len;
  return start;
}

static void skip_string(Reader *r) { get_bytes(r, get_uint(r)); }

static void skip_any(Reader *r) {
  const uint8_t *kind = get_bytes(r, 1);
  if (r->bad) return;
  uint64_t count;
  switch (*kind) {
    case 125:
      while (r->at < r->end && *r->at & 128) r->at++;
      get_bytes(r, 1);
      break;
    case 124: get_bytes(r, 4); break;
    case 123: case 122: get_bytes(r, 8); break;
    case 119: case 116: skip_string(r); break;
    case 118:
      for (count = get_uint(r); count && !r->bad; count--) { skip_string(r); skip_any(r); }
      break;
    case 117:
      for (count = get_uint(r); count && !r->bad; count--) skip_any(r);
      break;
  }
}

static uint32_t number_in(const uint8_t *text, int from, int to) {
  uint32_t value = 0;
  for (int i = from; i < to; i++) {
    uint8_t d = text[i];
    value = value * 64 + (d >= '0' && d <= '9' ? d - '0' : d >= 'a' && d <= 'z' ? d - 'a' + 10
                          : d >= 'A' && d <= 'Z' ? d - 'A' + 36 : d == '-' ? 62 : 63);
  }
  return value;
}

static void take(Client *c, uint32_t writer, uint32_t clock, const uint8_t *text, double at) {
  uint32_t seq = clock / characters;
  if (writer >= (uint32_t)client_count || clients[writer].room != c->room || seq >= most) {
    unreadable++;
    return;
  }
  if (characters == 10 && (number_in(text, 0, 4) != writer || number_in(text, 4, 10) != seq)) {
    doubled++;
    return;
  }
  if ((int)writer == c->number) return;
  uint64_t bit = (uint64_t)clients[writer].place * most + seq;
  if (c->seen[bit >> 3] & (1 << (bit & 7))) { resent++; return; }
  c->seen[bit >> 3] |= 1 << (bit & 7);
  deliveries++;
  if (measuring) {
    double seconds = at - clients[writer].sent[seq];
    count_in(latency, seconds);
    if (seconds > latency_max) latency_max = seconds;
  }
}

static void read_update(Client *c, Reader *r, double at) {
  uint64_t blocks = get_uint(r);
  for (; blocks && !r->bad; blocks--) {
    uint64_t structs = get_uint(r), who = get_uint(r);
    uint32_t clock = get_uint(r);
    for (; structs && !r->bad; structs--) {
      const uint8_t *info = get_bytes(r, 1);
      if (r->bad) break;
      int kind = *info & 31, parentless = *info & 0xc0;
      uint64_t len, count;
      if (kind == 0 || kind == 10) { clock += get_uint(r); continue; }
      if (*info & 0x80) { get_uint(r); get_uint(r); }
      if (*info & 0x40) { get_uint(r); get_uint(r); }
      if (!parentless) {
        if (get_uint(r) == 1) skip_string(r);
        else { get_uint(r); get_uint(r); }
        if (*info & 0x20) skip_string(r);
      }
      switch (kind) {
        case 1: clock += get_uint(r); break;
        case 2: len = get_uint(r); for (count = len; count && !r->bad; count--) skip_string(r); clock += len; break;
        case 3: case 5: skip_string(r); clock++; break;
        case 4: {
          len = get_uint(r);
          const uint8_t *text = get_bytes(r, len);
          if (!r->bad && who >= BASE && who < BASE + (uint32_t)client_count) {
            if (clock % characters || len % characters) unreadable++;
            else for (uint64_t i = 0; i < len; i += characters) take(c, who - BASE, clock + i, text + i, at);
          }
          clock += len;
          break;
        }
        case 6: skip_string(r); skip_string(r); clock++; break;
        case 7: len = get_uint(r); if (len == 3 || len == 5) skip_string(r); clock++; break;
        case 8: len = get_uint(r); for (count = len; count && !r->bad; count--) skip_any(r); clock += len; break;
        case 9: skip_string(r); skip_any(r); clock++; break;
        default: r->bad = 1;
      }
    }
  }
  if (r->bad) unreadable++;
}

static void dump_update(Client *c, const uint8_t *update, uint32_t len) {
  if (!c->dump) return;
  fwrite(&len, 4, 1, c->dump);
  fwrite(update, 1, len, c->dump);
}

static void read_message(Client *c, const uint8_t *data, size_t len) {
  Reader r = {data, data + len, 0};
  double at = now();
  if (hocuspocus) skip_string(&r);
  uint64_t kind = get_uint(&r);
  if (kind == 100) {
    uint32_t count = get_uint(&r);
    acks++;
    /* The first update of a connection is the answer to the server's question. */
    for (; c->acked + 1 < count && c->acked < c->seq; c->acked++)
      if (measuring) count_in(ack_latency, at - c->sent[c->acked]);
  }
  if (kind != 0) return;
  uint64_t step = get_uint(&r), size = get_uint(&r);
  const uint8_t *content = get_bytes(&r, size);
  if (r.bad) { unreadable++; return; }
  if (step == 0) {
    send_message(c, (const uint8_t *)"\0\1\2\0\0", 5);
    return;
  }
  if (step == 1) c->synced = 1;
  dump_update(c, content, size);
  Reader update = {content, content + size, 0};
  read_update(c, &update, at);
}

static void opened(Client *c) {
  c->upgraded = 1;
  if (hocuspocus) {
    uint8_t auth[] = {2, 0, 1, 'x'};
    send_message(c, auth, sizeof auth);
  }
  send_message(c, (const uint8_t *)"\0\0\1\0", 4);
  if (awareness_seconds > 0) send_awareness(c);
}

static void parse(Client *c) {
  size_t at = 0;
  if (!c->upgraded) {
    uint8_t *end = memmem(c->in.at, c->in.len, "\r\n\r\n", 4);
    if (!end) return;
    if (!memmem(c->in.at, c->in.len < 15 ? c->in.len : 15, " 101", 4)) {
      fprintf(stderr, "refused: %.*s\n", (int)(c->in.len < 200 ? c->in.len : 200), c->in.at);
      hang_up(c);
      return;
    }
    at = end - c->in.at + 4;
    opened(c);
  }
  while (c->in.len - at >= 2) {
    uint8_t *f = c->in.at + at;
    size_t len = f[1] & 127, head = 2, left = c->in.len - at;
    if (len == 126) { if (left < 4) break; len = f[2] << 8 | f[3]; head = 4; }
    else if (len == 127) {
      if (left < 10) break;
      len = 0;
      for (int i = 2; i < 10; i++) len = len << 8 | f[i];
      head = 10;
    }
    if (left < head + len) break;
    bytes_in += head + len;
    frames_in++;
    int opcode = f[0] & 15;
    if (opcode == 2 || opcode == 0) read_message(c, f + head, len);
    else if (opcode == 9) { uint8_t pong[6] = {0x8a, 0x80, 0, 0, 0, 0}; write_raw(c, pong, 6); }
    else if (opcode == 8) {
      fprintf(stderr, "closed: %d %.*s\n", len >= 2 ? f[head] << 8 | f[head + 1] : 0,
              len > 2 ? (int)len - 2 : 0, f + head + 2);
      hang_up(c);
      return;
    }
    at += head + len;
  }
  memmove(c->in.at, c->in.at + at, c->in.len - at);
  c->in.len -= at;
}

static void readable(Client *c) {
  for (;;) {
    grow(&c->in, 65536);
    ssize_t n = recv(c->fd, c->in.at + c->in.len, 65536, 0);
    if (n <= 0) {
      if (n == 0 || errno != EAGAIN) hang_up(c);
      return;
    }
    c->in.len += n;
    parse(c);
    if (c->gone || n < 65536) return;
  }
}

static void turn(double seconds) {
  struct epoll_event events[EVENTS];
  struct timespec most_wait = {(long)seconds, (long)((seconds - (long)seconds) * 1e9)};
  int n = epoll_pwait2(epoll_fd, events, EVENTS, &most_wait, NULL);
  for (int i = 0; i < n; i++) {
    Client *c = events[i].data.ptr;
    if (c->gone) continue;
    if (events[i].events & EPOLLOUT) flush_out(c);
    if (!c->gone && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(c);
  }
}

/* -- the course of things --------------------------------------------------------------------- */

static void connect_client(Client *c, struct sockaddr_in *to, const char *host) {
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)to, sizeof *to)) die("connect");
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
  char *request = NULL;
  int n = asprintf(&request,
                   "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                   c->path, host, c->headers);
  write_raw(c, (uint8_t *)request, n);
  free(request);
}

static int synced(void) {
  int n = 0;
  for (int i = 0; i < client_count; i++) n += clients[i].synced || clients[i].gone;
  return n;
}

static double cpu_of(int pid) {
  char path[64], line[1024], *at;
  unsigned long user = 0, system = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *f = fopen(path, "r");
  if (!f) return 0;
  if (fgets(line, sizeof line, f) && (at = strrchr(line, ')')))
    sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  fclose(f);
  return (user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double own_cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static uint64_t missing(void) {
  uint64_t lost = 0;
  for (int i = 0; i < client_count; i++) {
    Client *c = &clients[i];
    Room *room = &rooms[c->room];
    for (int j = 0; j < room->count; j++) {
      Client *w = &clients[room->first + j];
      if (w == c) continue;
      for (uint32_t seq = 0; seq < w->seq; seq++) {
        uint64_t bit = (uint64_t)j * most + seq;
        lost += !(c->seen[bit >> 3] & (1 << (bit & 7)));
      }
    }
  }
  return lost;
}

static void run(double rate, double seconds, double warmup, double drain, int pid) {
  double interval = 1 / rate, start = now(), measured_from = 0, cpu = 0, own = 0;
  double next_awareness = awareness_seconds;
  int *order = malloc(client_count * sizeof *order), place = 0;
  long round = 0;
  memset(latency, 0, sizeof latency);
  memset(ack_latency, 0, sizeof ack_latency);
  memset(lateness, 0, sizeof lateness);
  latency_max = 0;
  measuring = 0;
  for (int i = 0; i < client_count; i++) order[i] = i;
  for (int i = client_count - 1; i > 0; i--) {
    int j = rand() % (i + 1), k = order[i];
    order[i] = order[j];
    order[j] = k;
  }
  uint64_t ops_before = 0, in_before = 0, frames_before = 0, deliveries_before = 0, out_before = 0;
  for (;;) {
    double t = now() - start;
    if (!measuring && t >= warmup) {
      measuring = 1;
      measured_from = now();
      cpu = cpu_of(pid);
      own = own_cpu();
      ops_before = ops; in_before = bytes_in; frames_before = frames_in;
      deliveries_before = deliveries; out_before = bytes_out;
    }
    if (t >= warmup + seconds) break;
    double due = 0;
    for (int burst = 0; burst < 64; burst++) {
      due = round * interval + interval * place / client_count;
      if (due > t) break;
      if (measuring) count_in(lateness, t - due);
      insert(&clients[order[place]]);
      if (++place == client_count) { place = 0; round++; }
    }
    if (awareness_seconds > 0 && t > next_awareness) {
      next_awareness += awareness_seconds;
      for (int i = 0; i < client_count; i++) send_awareness(&clients[i]);
    }
    double wait = due - (now() - start);
    turn(wait > 0 ? wait : 0);
  }
  double window = now() - measured_from;
  cpu = (cpu_of(pid) - cpu) / window;
  own = (own_cpu() - own) / window;
  measuring = 0;
  uint64_t o = ops - ops_before, d = deliveries - deliveries_before;
  uint64_t in = bytes_in - in_before, f = frames_in - frames_before, out = bytes_out - out_before;
  uint64_t lost = missing();
  for (double until = now() + drain; now() < until && lost;) {
    double pause = now() + 0.2;
    while (now() < pause) turn(0.01);
    lost = missing();
  }
  printf("{\"rate\":%g,\"ops_per_second\":%.0f,\"deliveries_per_second\":%.0f,"
         "\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.1f,"
         "\"durable_p50\":%.3f,\"durable_p95\":%.3f,\"server_cpu\":%.3f,\"own_cpu\":%.3f,"
         "\"late_p95\":%.3f,\"frames_per_delivery\":%.3f,\"bytes_in_per_delivery\":%.1f,"
         "\"bytes_out_per_op\":%.1f,\"lost\":%lu,\"doubled\":%lu,\"resent\":%lu,"
         "\"unreadable\":%lu,\"dropped\":%lu}\n",
         rate, o / window, d / window, percentile(latency, .5), percentile(latency, .95),
         percentile(latency, .99), latency_max * 1e3, percentile(ack_latency, .5),
         percentile(ack_latency, .95), cpu, own, percentile(lateness, .95),
         d ? (double)f / d : 0, d ? (double)in / d : 0, o ? (double)out / o : 0, lost, doubled,
         resent, unreadable, dropped);
  fflush(stdout);
  free(order);
}

static void load(const char *file, char *host, int *port) {
  FILE *f = fopen(file, "r");
  char *line = NULL;
  size_t size = 0;
  if (!f || getline(&line, &size, f) < 0 || sscanf(line, "%199s %d", host, port) != 2) die(file);
  while (getline(&line, &size, f) > 0) {
    line[strcspn(line, "\n")] = 0;
    char *path = strchr(line, '\t'), *headers = path ? strchr(path + 1, '\t') : NULL;
    if (!headers) continue;
    *path++ = *headers++ = 0;
    clients = realloc(clients, (client_count + 1) * sizeof *clients);
    Client *c = &clients[client_count];
    memset(c, 0, sizeof *c);
    c->room = atoi(line);
    c->number = client_count++;
    c->path = strdup(path);
    c->headers = calloc(1, strlen(headers) + 16);
    for (char *h = strtok(headers, "\t"); h; h = strtok(NULL, "\t"))
      c->headers = realloc(c->headers, strlen(c->headers) + strlen(h) + 8), strcat(strcat(c->headers, h), "\r\n");
    if (c->room >= room_count) {
      rooms = realloc(rooms, (c->room + 1) * sizeof *rooms);
      for (; room_count <= c->room; room_count++) rooms[room_count] = (Room){c->number, 0};
    }
    c->place = rooms[c->room].count++;
    if (hocuspocus) {
      const char *name = strrchr(c->path, '/') + 1;
      c->prefix_len = put_uint(c->prefix, strlen(name));
      memcpy(c->prefix + c->prefix_len, name, strlen(name));
      c->prefix_len += strlen(name);
    }
  }
  free(line);
  fclose(f);
}

/* -- a relay that understands nothing, to know how much the generator can take ------------------ */

static void relay(int port, int lose, int twice) {
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  uint64_t count = 0;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) die("listen");
  epoll_fd = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
  Client **all = NULL;
  int n_all = 0;
  for (;;) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      Client *c = events[i].data.ptr;
      if (!c) {
        c = calloc(1, sizeof *c);
        c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        all = realloc(all, ++n_all * sizeof *all);
        all[n_all - 1] = c;
        struct epoll_event mine = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &mine);
        continue;
      }
      if (c->gone) continue;
      if (events[i].events & EPOLLOUT) flush_out(c);
      grow(&c->in, 65536);
      ssize_t got = recv(c->fd, c->in.at + c->in.len, 65536, 0);
      if (got <= 0) { if (got == 0 || errno != EAGAIN) hang_up(c); continue; }
      c->in.len += got;
      size_t from = 0;
      if (!c->upgraded) {
        uint8_t *end = memmem(c->in.at, c->in.len, "\r\n\r\n", 4);
        if (!end) continue;
        from = end - c->in.at + 4;
        c->room = atoi((char *)strrchr(strtok((char *)c->in.at + 4, " "), '/') + 1);
        c->upgraded = 1;
        const char *answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        write_raw(c, (const uint8_t *)answer, strlen(answer));
        write_raw(c, (const uint8_t *)"\x82\x05\0\1\2\0\0", 7);
      }
      while (c->in.len - from >= 6) {
        uint8_t *f = c->in.at + from, frame[1024];
        size_t len = f[1] & 127, head = 6;
        if (len == 126) { len = f[2] << 8 | f[3]; head = 8; }
        if (c->in.len - from < head + len) break;
        from += head + len;
        if (len + 4 > sizeof frame) continue;
        size_t m = 0;
        frame[m++] = 0x82;
        if (len < 126) frame[m++] = len;
        else { frame[m++] = 126; frame[m++] = len >> 8; frame[m++] = len & 255; }
        for (size_t k = 0; k < len; k++) frame[m + k] = f[head + k] ^ f[head - 4 + (k & 3)];
        if (frame[m] != 0 || frame[m + 1] != 2) continue;
        count++;
        if (lose && count % lose == 0) continue;
        for (int k = 0; k < n_all; k++)
          if (all[k] != c && !all[k]->gone && all[k]->room == c->room) {
            write_raw(all[k], frame, m + len);
            /* The last digit of the number becomes another: the same text under another id. */
            if (twice && count % twice == 0) { frame[m + len - 2] ^= 1; write_raw(all[k], frame, m + len); frame[m + len - 2] ^= 1; }
          }
      }
      memmove(c->in.at, c->in.at + from, c->in.len - from);
      c->in.len -= from;
    }
  }
}

int main(int argc, char **argv) {
  double seconds = 10, warmup = 3, drain = 10;
  char *rates = "1", *dump = NULL, host[200], name[300];
  int pid = 0, port, lose = 0, twice = 0, relay_port = 0;
  for (int i = 1; i < argc; i++) {
    char *value = i + 1 < argc ? argv[i + 1] : "";
    if (!strcmp(argv[i], "--rates")) rates = value;
    else if (!strcmp(argv[i], "--seconds")) seconds = atof(value);
    else if (!strcmp(argv[i], "--warmup")) warmup = atof(value);
    else if (!strcmp(argv[i], "--drain")) drain = atof(value);
    else if (!strcmp(argv[i], "--characters")) characters = atoi(value);
    else if (!strcmp(argv[i], "--awareness")) awareness_seconds = atof(value);
    else if (!strcmp(argv[i], "--dump")) dump = value;
    else if (!strcmp(argv[i], "--pid")) pid = atoi(value);
    else if (!strcmp(argv[i], "--relay")) relay_port = atoi(value);
    else if (!strcmp(argv[i], "--lose")) lose = atoi(value);
    else if (!strcmp(argv[i], "--double")) twice = atoi(value);
    else if (!strcmp(argv[i], "--hocuspocus")) hocuspocus = 1;
  }
  struct rlimit files = {65536, 65536};
  setrlimit(RLIMIT_NOFILE, &files);
  if (relay_port) relay(relay_port, lose, twice);
  if (argc < 2) { fprintf(stderr, "usage: generator FILE ...\n"); return 2; }
  load(argv[1], host, &port);
  for (char *copy = strdup(rates), *one = strtok(copy, ","); one; one = strtok(NULL, ","))
    most += (uint32_t)(atof(one) * (seconds + warmup)) + 2;
  for (int i = 0; i < client_count; i++) {
    Client *c = &clients[i];
    c->sent = calloc(most, sizeof *c->sent);
    c->seen = calloc(1, ((uint64_t)most * rooms[c->room].count >> 3) + 1);
    if (dump && c->place == 0) {
      snprintf(name, sizeof name, "%s/%d.updates", dump, c->room);
      c->dump = fopen(name, "wb");
    }
  }
  epoll_fd = epoll_create1(0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, host, &to.sin_addr);
  double deadline = now() + 60 + client_count * 0.05;
  for (int next = 0; synced() < client_count;) {
    while (next < client_count && next - synced() < CONNECTING_AT_ONCE) connect_client(&clients[next++], &to, host);
    turn(0.02);
    if (now() > deadline) { fprintf(stderr, "only %d of %d clients are in\n", synced(), client_count); return 3; }
  }
  fprintf(stderr, "%d clients are in\n", client_count);
  for (double settled = now() + 1; now() < settled;) turn(0.01);
  for (char *one = strtok(strdup(rates), ","); one; one = strtok(NULL, ",")) {
    if (atof(one) > 0) run(atof(one), seconds, warmup, drain, pid);
    else for (double until = now() + seconds; now() < until;) turn(0.05);
  }
  for (int i = 0; i < client_count; i++) if (clients[i].dump) fclose(clients[i].dump);
  return 0;
}
