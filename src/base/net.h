/*
 * Addresses: resolving a host once, telling public addresses from private ones, and allow lists.
 */
#ifndef BASE_NET_H
#define BASE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"

#define NET_ADDRS_MAX 16
#define NET_ADDR_TEXT 64

struct net_addrs {
    size_t len;
    char text[NET_ADDRS_MAX][NET_ADDR_TEXT]; /* numeric, IPv6 without brackets */
};

/* Blocking getaddrinfo; a numeric host is taken as it is. Never call it on an event loop's thread.
 */
int net_resolve(const char *host, struct net_addrs *out, struct err *err);

/* Global unicast only: not loopback, private (RFC 1918, 4193), shared (6598), link-local,
 * multicast, documentation, benchmarking, unspecified, and the IPv4 inside mapped, 6to4, NAT64
 * forms likewise. */
bool net_addr_is_public(const char *numeric);

/* A host allow list: entries are host names (exact), ".suffix.example", numeric addresses, or
 * networks "10.0.0.0/8", "fd00::/8". */
int net_allow_check_entry(const char *entry, struct err *err);
bool net_allow_has(char *const *entries, size_t n, const char *host, const char *numeric);

/* Policy for repository hosts: every resolved address is public, or host/address is in the list;
 * otherwise ERR_DENIED naming the address. On success *addrs holds what to pin. */
int net_check_host(const char *host, char *const *allowed, size_t n, struct net_addrs *addrs,
                   struct err *err);

/* The address other machines of the LAN would use for this one, "127.0.0.1" when there is none. */
void net_lan_address(char out[NET_ADDR_TEXT]);

#endif
