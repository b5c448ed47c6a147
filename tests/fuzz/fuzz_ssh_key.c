/* Public key lines, wire blobs, lists of an agent and private key files. */
#include <stdlib.h>

#include "ssh/agent_client.h"
#include "ssh/key.h"
#include "ssh/privkey.h"

static void try_line(const unsigned char *data, size_t size)
{
    cleanup_ssh_key struct ssh_key key;
    cleanup_ssh_key struct ssh_key again;
    cleanup_str struct str text = STR_INIT;
    ssh_key_init(&again);
    if (ssh_key_parse_line((const char *)data, size, &key, NULL))
        return;
    ssh_key_format(&key, &text);
    if (ssh_key_parse_line(text.p, text.len, &again, NULL) || !ssh_key_equal(&key, &again))
        abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_ssh_key struct ssh_key blob;
    cleanup_ssh_privkey struct ssh_privkey *secret = NULL;
    struct ssh_key *keys = NULL;
    size_t n = 0;
    try_line(data, size);
    ssh_key_parse_blob(data, size, &blob, NULL);
    ssh_privkey_parse((const char *)data, size, &secret, NULL);
    if (ssh_agent_parse_keys(data, size, &keys, &n, NULL) == 0)
        ssh_agent_keys_free(keys, n);
    return 0;
}
