/* Hexadecimal and base64, and random bytes and ids from getrandom(2). Strict decoders: no white
 * space, padding as stated, spare bits zero. */
#ifndef BASE_ENC_H
#define BASE_ENC_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

void enc_hex(struct str *out, const void *p, size_t n);
int enc_unhex(const char *text, size_t len, struct str *out, struct err *err);

void enc_base64(struct str *out, const void *p, size_t n);    /* RFC 4648 section 4, padded */
void enc_base64url(struct str *out, const void *p, size_t n); /* section 5, no padding */
int enc_unbase64(const char *text, size_t len, struct str *out, struct err *err);
int enc_unbase64url(const char *text, size_t len, struct str *out, struct err *err);

void rnd_bytes(void *p, size_t n);

#define SESSION_ID_LEN 20
/* 20 characters of [a-z2-7] (100 random bits) and a NUL. */
void rnd_session_id(char out[SESSION_ID_LEN + 1]);
int session_id_is_valid(const char *id);

#endif
