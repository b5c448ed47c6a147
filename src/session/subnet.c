#include "session/subnet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

int subnet_parse(const char *text, struct subnet_range *out, struct err *err)
{
    char address[INET_ADDRSTRLEN];
    struct in_addr in;
    int prefix = 0;
    const char *slash = strchr(text, '/');
    if (!slash || (size_t)(slash - text) >= sizeof address)
        return err_set(err, ERR_INVALID, "'%s' is not an IPv4 network like 10.213.0.0/16", text);
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (inet_pton(AF_INET, address, &in) != 1 ||
        num_parse_int(slash + 1, 8, SUBNET_PREFIX, &prefix, NULL) != 0)
        return err_set(err, ERR_INVALID, "'%s' is not an IPv4 network between /8 and /%d", text,
                       SUBNET_PREFIX);
    uint32_t network = ntohl(in.s_addr);
    uint32_t hosts = (uint32_t)((1ULL << (32 - prefix)) - 1);
    if (network & hosts)
        return err_set(err, ERR_INVALID, "'%s' has host bits set", text);
    out->network = network;
    out->count = 1U << (SUBNET_PREFIX - prefix);
    return 0;
}

void subnet_format(const struct subnet_range *range, uint32_t index, char out[SUBNET_TEXT])
{
    struct in_addr in = {.s_addr = htonl(range->network + (index << (32 - SUBNET_PREFIX)))};
    char address[INET_ADDRSTRLEN];
    BUG_ON(!inet_ntop(AF_INET, &in, address, sizeof address));
    snprintf(out, SUBNET_TEXT, "%s/%d", address, SUBNET_PREFIX);
}
