/* What the generator and the relay share: growing buffers, lib0's numbers, WebSocket frames. */

#ifndef WIRE_H
#define WIRE_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OPCODE_CONTINUATION 0
#define OPCODE_BINARY 2
#define OPCODE_CLOSE 8
#define OPCODE_PING 9
#define OPCODE_PONG 10
#define FRAME_HEADER_MOST 14

typedef struct {
    uint8_t *data;
    size_t length, space;
} Buffer;

static inline void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "wrong");
    exit(2);
}

static inline void *some(void *memory) {
    if (memory == NULL) die("memory");
    return memory;
}

static inline void reserve(Buffer *buffer, size_t more) {
    if (buffer->length + more <= buffer->space) return;
    size_t space = buffer->space ? buffer->space : 256;
    while (space < buffer->length + more) space *= 2;
    buffer->data = some(realloc(buffer->data, space));
    buffer->space = space;
}

static inline void append(Buffer *buffer, const void *data, size_t length) {
    if (length == 0) return;
    reserve(buffer, length);
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
}

/* Forget the first bytes. */
static inline void consume(Buffer *buffer, size_t count) {
    if (count == 0) return;
    buffer->length -= count;
    memmove(buffer->data, buffer->data + count, buffer->length);
}

static inline void release(Buffer *buffer) {
    free(buffer->data);
    *buffer = (Buffer){0};
}

static inline void put_byte(Buffer *buffer, uint8_t value) { append(buffer, &value, 1); }

static inline void put_var_uint(Buffer *buffer, uint64_t value) {
    uint8_t out[10];
    size_t length = 0;
    while (value > 127) {
        out[length++] = 128 | (value & 127);
        value >>= 7;
    }
    out[length++] = (uint8_t)value;
    append(buffer, out, length);
}

static inline void put_var_bytes(Buffer *buffer, const void *data, size_t length) {
    put_var_uint(buffer, length);
    append(buffer, data, length);
}

/* Reads what came over the wire; `bad` stays true after the first fault. */
typedef struct {
    const uint8_t *at, *end;
    bool bad;
} Reader;

static inline uint8_t get_byte(Reader *reader) {
    if (reader->at >= reader->end) {
        reader->bad = true;
        return 0;
    }
    return *reader->at++;
}

static inline uint64_t get_var_uint(Reader *reader) {
    uint64_t value = 0;
    for (int shift = 0; shift < 63; shift += 7) {
        uint8_t byte = get_byte(reader);
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return value;
    }
    reader->bad = true;
    return 0;
}

static inline Reader get_var_bytes(Reader *reader) {
    uint64_t length = get_var_uint(reader);
    if (reader->bad || length > (uint64_t)(reader->end - reader->at)) {
        reader->bad = true;
        return (Reader){reader->end, reader->end, true};
    }
    Reader inner = {reader->at, reader->at + length, false};
    reader->at += length;
    return inner;
}

typedef struct {
    uint8_t *payload;
    size_t length, whole; /* of the payload, and with the header */
    int opcode;
    bool last;
} Frame;

/* Find the frame at the start of some bytes, unmasked in place; false when it is not all there. */
static inline bool read_frame(uint8_t *data, size_t length, Frame *frame) {
    if (length < 2) return false;
    size_t header = 2, size = data[1] & 127;
    if (size == 126) {
        if (length < 4) return false;
        size = (size_t)data[2] << 8 | data[3];
        header = 4;
    } else if (size == 127) {
        if (length < 10) return false;
        size = 0;
        for (int i = 2; i < 10; i++) size = size << 8 | data[i];
        header = 10;
    }
    const uint8_t *mask = NULL;
    if (data[1] & 128) {
        mask = data + header;
        header += 4;
    }
    if (length < header || length - header < size) return false;
    *frame = (Frame){data + header, size, header + size, data[0] & 15, (data[0] & 128) != 0};
    if (mask != NULL)
        for (size_t i = 0; i < size; i++) frame->payload[i] ^= mask[i & 3];
    return true;
}

/* Append a frame, masked when a mask is given (as clients must). */
static inline void put_frame(
    Buffer *out, int opcode, const uint8_t *payload, size_t length, const uint8_t *mask) {
    reserve(out, length + FRAME_HEADER_MOST);
    uint8_t masked = mask ? 128 : 0;
    put_byte(out, 128 | opcode);
    if (length < 126) {
        put_byte(out, masked | length);
    } else if (length < 65536) {
        uint8_t size[3] = {masked | 126, length >> 8, length};
        append(out, size, 3);
    } else {
        put_byte(out, masked | 127);
        for (int shift = 56; shift >= 0; shift -= 8) put_byte(out, (uint64_t)length >> shift);
    }
    if (mask == NULL) {
        append(out, payload, length);
        return;
    }
    append(out, mask, 4);
    uint8_t *to = out->data + out->length;
    for (size_t i = 0; i < length; i++) to[i] = payload[i] ^ mask[i & 3];
    out->length += length;
}

static inline uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + time.tv_nsec;
}

static inline void more_files(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static inline void no_delay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

#endif
