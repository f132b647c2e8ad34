package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.util.Optional;

/** A license token that the issuer signed, for any product and any machine, whatever its times. */
final class SignedToken {
  /** The product that the token is for. */
  final String product;

  final boolean isOfProduct;
  final boolean isOfMachine;

  /** The token, which may not be accepted. */
  final Token token;

  private SignedToken(String product, boolean isOfProduct, boolean isOfMachine, Token token) {
    this.product = product;
    this.isOfProduct = isOfProduct;
    this.isOfMachine = isOfMachine;
    this.token = token;
  }

  /** Verifies a token with a key of the set. */
  static Optional<SignedToken> verify(String text, KeySet keys, Config config, Identity identity) {
    JsonObject claims = Jws.parse(text, Token.TYPE).flatMap(keys::verify).orElse(new JsonObject());
    Optional<String> product = Json.string(claims, "aud");
    boolean isOfIssuer = Json.string(claims, "iss").equals(Optional.of(config.issuer()));
    if (!isOfIssuer || product.isEmpty()) return Optional.empty();
    JsonObject activation = Json.object(claims, "activation");
    boolean isOfProduct = product.get().equals(config.product());
    boolean isOfMachine =
        Json.string(activation, "machine_id").equals(Optional.of(identity.machineId))
            && Json.string(activation, "instance_id").equals(identity.instanceId);
    return Token.read(text, claims)
        .map(token -> new SignedToken(product.get(), isOfProduct, isOfMachine, token));
  }

  /** Returns the token, if it is for this product and this machine. */
  Optional<Token> accepted() {
    return isOfProduct && isOfMachine ? Optional.of(token) : Optional.empty();
  }

  /** Returns whether all but the product is right. */
  boolean isOfOtherProduct() {
    return isOfMachine && !isOfProduct;
  }
}
