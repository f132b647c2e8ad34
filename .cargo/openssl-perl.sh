#!/bin/sh
# Runs Perl for the build script of openssl-src, and adds options to OpenSSL's Configure. josekit encrypts tokens with RSA,
# elliptic curves, AES and SHA. The options leave out what neither josekit nor the openssl crate needs, a quarter of the
# sources, and let the profile decide how much the rest is optimized: assembly does the arithmetic in any case.
case $1 in
  ./Configure)
    # openssl-src always passes -O2; the last level counts.
    case $OPT_LEVEL in
      0 | 1) set -- "$@" "-O$OPT_LEVEL" ;;
    esac
    for part in apps argon2 aria async bf blake2 cast chacha cmp cms ct dgram docs dtls ec2m engine http legacy md4 mdc2 \
      ml-dsa ml-kem multiblock ocb ocsp poly1305 psk quic rc2 rc4 rfc3779 rmd160 scrypt siphash siv slh-dsa sm2 sm3 sm4 sock \
      srp srtp ssl-trace tls ts ui-console whirlpool; do
      set -- "$@" "no-$part"
    done
    ;;
esac
exec perl "$@"
