#include "auth/hash.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/enc.h"
#include "base/err.h"
#include "base/str.h"

void auth_hash(const char *text, char out[AUTH_HASH_LEN + 1])
{
    unsigned char digest[32];
    cleanup_str struct str hex = STR_INIT;
    BUG_ON(!EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL));
    enc_hex(&hex, digest, sizeof digest);
    memcpy(out, hex.p, AUTH_HASH_LEN + 1);
}
