#include "daemon/rotate.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "auth/seal.h"
#include "auth/vault.h"
#include "base/fd.h"
#include "base/path.h"
#include "store/store.h"

/* The new keys in front, so that they seal; the old ones behind, so that they still open. */
static void both_keys(const struct str *fresh, const struct str *old, struct str *out)
{
    str_add(out, fresh->p, fresh->len);
    str_addc(out, '\n');
    str_add(out, old->p, old->len);
}

static int seal_everything(const struct config *config, const struct str *keys, struct err *err)
{
    struct store *store = NULL;
    struct seal_ring *ring = NULL;
    int rc = seal_ring_parse(keys->p, keys->len, &ring, err);
    if (rc)
        return rc;
    rc = store_open(config->database, &store, err);
    if (rc) {
        seal_ring_free(ring);
        return rc;
    }
    struct vault *vault = vault_new(store, ring);
    rc = vault_rotate(vault, err);
    vault_free(vault);
    store_close(store);
    return rc;
}

int rotate_token_key(const struct config *config, const char *file, struct err *err)
{
    cleanup_free char *own = path_join(config->state_dir, "token-key");
    const char *current = config->token_key_file ? config->token_key_file : own;
    cleanup_str_secret struct str fresh = STR_INIT;
    cleanup_str_secret struct str old = STR_INIT;
    cleanup_str_secret struct str both = STR_INIT;
    int rc = seal_key_file_read(current, false, &old, err);
    if (rc == 0)
        rc = seal_key_file_read(file, true, &fresh, err);
    if (rc)
        return rc;
    both_keys(&fresh, &old, &both);
    /* With both keys in the file, whatever comes in between leaves tokens that can be opened. */
    if (!config->token_key_file)
        rc = fd_write_file(AT_FDCWD, own, both.p, both.len, 0600, err);
    if (rc == 0)
        rc = seal_everything(config, &both, err);
    if (rc == 0 && !config->token_key_file)
        rc = fd_write_file(AT_FDCWD, own, fresh.p, fresh.len, 0600, err);
    if (rc)
        return rc;
    if (config->token_key_file)
        printf("Every token is sealed under %s. Set STEADYSTATE_TOKEN_KEY_FILE to it, then start "
               "the server.\n",
               file);
    else
        printf("Every token is sealed under %s, which is in the state directory now.\n", file);
    return 0;
}
