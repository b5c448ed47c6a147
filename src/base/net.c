#include "base/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"

int net_resolve(const char *host, struct net_addrs *out, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    memset(out, 0, sizeof *out);
    int rc = getaddrinfo(host, NULL, &hints, &list);
    if (rc == EAI_NONAME || rc == EAI_NODATA)
        return err_set(err, ERR_NOT_FOUND, "host %s does not exist", host);
    if (rc)
        return err_set(err, ERR_UNAVAILABLE, "cannot resolve %s: %s", host, gai_strerror(rc));
    for (struct addrinfo *a = list; a && out->len < NET_ADDRS_MAX; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, out->text[out->len], NET_ADDR_TEXT, NULL, 0,
                        NI_NUMERICHOST) == 0)
            out->len++;
    freeaddrinfo(list);
    return out->len ? 0 : err_set(err, ERR_NOT_FOUND, "host %s has no address", host);
}

struct block {
    uint32_t network; /* host order */
    int bits;
};

/* IANA IPv4 special-purpose address registry: everything not globally reachable, and multicast. */
static const struct block special_v4[] = {
    {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
    {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
    {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3},
};

static bool v4_is_public(const unsigned char *p)
{
    uint32_t addr = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (size_t i = 0; i < ARRAY_LEN(special_v4); i++)
        if ((addr ^ special_v4[i].network) >> (32 - special_v4[i].bits) == 0)
            return false;
    return true;
}

static bool v6_is_public(const unsigned char *p)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};
    if (memcmp(p, mapped, 12) == 0 || memcmp(p, nat64, 12) == 0)
        return v4_is_public(p + 12);
    if (p[0] == 0x20 && p[1] == 0x02)
        return v4_is_public(p + 2); /* 6to4 */
    if (p[0] == 0x20 && p[1] == 0x01 && (p[2] & 0xfe) == 0)
        return false; /* 2001::/23: Teredo, benchmarking, ORCHID */
    if (p[0] == 0x20 && p[1] == 0x01 && p[2] == 0x0d && p[3] == 0xb8)
        return false;             /* documentation */
    return (p[0] & 0xe0) == 0x20; /* global unicast is 2000::/3 */
}

bool net_addr_is_public(const char *numeric)
{
    unsigned char addr[16];
    if (inet_pton(AF_INET, numeric, addr) == 1)
        return v4_is_public(addr);
    if (inet_pton(AF_INET6, numeric, addr) == 1)
        return v6_is_public(addr);
    return false; /* a scope id or something odd */
}

/* Address bytes, IPv4 as mapped so that both families compare alike. */
static bool to_bytes(const char *numeric, unsigned char out[16], bool *v4)
{
    memset(out, 0, 16);
    out[10] = out[11] = 0xff;
    *v4 = inet_pton(AF_INET, numeric, out + 12) == 1;
    return *v4 || inet_pton(AF_INET6, numeric, out) == 1;
}

static bool parse_network(const char *entry, unsigned char out[16], int *bits)
{
    char addr[NET_ADDR_TEXT];
    const char *slash = strchr(entry, '/');
    size_t n = slash ? (size_t)(slash - entry) : strlen(entry);
    if (n == 0 || n >= sizeof addr)
        return false;
    memcpy(addr, entry, n);
    addr[n] = '\0';
    bool v4;
    if (!to_bytes(addr, out, &v4))
        return false;
    int width = v4 ? 32 : 128;
    *bits = width;
    if (slash && num_parse_int(slash + 1, 0, width, bits, NULL))
        return false;
    *bits += v4 ? 96 : 0;
    return true;
}

int net_allow_check_entry(const char *entry, struct err *err)
{
    unsigned char addr[16];
    int bits;
    if (parse_network(entry, addr, &bits))
        return 0;
    size_t n = strlen(entry);
    if (n < 1 || n > 253 || entry[0] == '-' || strchr(entry, '/') ||
        strspn(entry, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != n)
        return err_set(err, ERR_INVALID, "'%.80s' is neither a host nor a network", entry);
    return 0;
}

static bool in_network(const char *entry, const char *numeric)
{
    unsigned char network[16], addr[16];
    int bits;
    bool v4;
    if (!parse_network(entry, network, &bits) || !to_bytes(numeric, addr, &v4))
        return false;
    int whole = bits / 8, rest = bits % 8;
    return memcmp(network, addr, (size_t)whole) == 0 &&
           (rest == 0 || (network[whole] ^ addr[whole]) >> (8 - rest) == 0);
}

bool net_allow_has(char *const *entries, size_t n, const char *host, const char *numeric)
{
    for (size_t i = 0; i < n; i++) {
        const char *entry = entries[i];
        if (host && strcasecmp(entry, host) == 0)
            return true;
        size_t host_len = host ? strlen(host) : 0, len = strlen(entry);
        if (entry[0] == '.' && host_len > len && strcasecmp(host + host_len - len, entry) == 0)
            return true;
        if (numeric && in_network(entry, numeric))
            return true;
    }
    return false;
}

int net_check_host(const char *host, char *const *allowed, size_t n, struct net_addrs *addrs,
                   struct err *err)
{
    int rc = net_resolve(host, addrs, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < addrs->len; i++)
        if (!net_addr_is_public(addrs->text[i]) && !net_allow_has(allowed, n, host, addrs->text[i]))
            return err_set(err, ERR_DENIED,
                           "%s has the private address %s; the server's operator can allow it",
                           host, addrs->text[i]);
    return 0;
}

void net_lan_address(char out[NET_ADDR_TEXT])
{
    /* connect on a datagram socket sends nothing; it makes the kernel choose the source address. */
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(9)}, own;
    socklen_t len = sizeof own;
    inet_pton(AF_INET, "192.0.2.1", &peer.sin_addr);
    memcpy(out, "127.0.0.1", sizeof "127.0.0.1");
    cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&peer, sizeof peer) == 0 &&
        getsockname(fd, (struct sockaddr *)&own, &len) == 0)
        inet_ntop(AF_INET, &own.sin_addr, out, NET_ADDR_TEXT);
}
