/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/base/sha256.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>

struct aro_sha256 {
    EVP_MD_CTX *evp;
};

struct aro_sha256 *aro_sha256_create(void)
{
    struct aro_sha256 *ctx = calloc(1, sizeof(*ctx));

    if (ctx == NULL)
        return NULL;
    ctx->evp = EVP_MD_CTX_new();
    if (ctx->evp == NULL || EVP_DigestInit_ex(ctx->evp, EVP_sha256(), NULL) != 1) {
        aro_sha256_destroy(ctx);
        errno = ENOMEM;
        return NULL;
    }
    return ctx;
}

void aro_sha256_destroy(struct aro_sha256 *ctx)
{
    if (ctx == NULL)
        return;
    EVP_MD_CTX_free(ctx->evp);
    free(ctx);
}

/* After a successful create libcrypto has nothing left to fail on; a failure here is a bug. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

void aro_sha256_reset(struct aro_sha256 *ctx)
{
    must(EVP_DigestInit_ex(ctx->evp, NULL, NULL));
}

void aro_sha256_update(struct aro_sha256 *ctx, const void *bytes, size_t len_bytes)
{
    must(EVP_DigestUpdate(ctx->evp, bytes, len_bytes));
}

struct aro_id aro_sha256_final(struct aro_sha256 *ctx)
{
    struct aro_id id;

    must(EVP_DigestFinal_ex(ctx->evp, (unsigned char *)&id, NULL));
    aro_sha256_reset(ctx);
    return id;
}

struct aro_id aro_sha256(const void *bytes, size_t len_bytes)
{
    struct aro_id id;

    must(EVP_Digest(bytes, len_bytes, (unsigned char *)&id, NULL, EVP_sha256(), NULL));
    return id;
}
