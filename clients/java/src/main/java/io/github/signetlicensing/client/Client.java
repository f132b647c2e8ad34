package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.UUID;
import java.util.function.DoubleSupplier;

/**
 * The state machine: operations, and one run of the background task.
 *
 * <p>The caller performs one operation or run at a time. {@link #state}, {@link #has}, {@link
 * #limit}, {@link #next} and {@link #diagnose} can be called at any time by any thread, and do not
 * wait for the network.
 */
final class Client {
  private static final Duration RELEASE_TIMEOUT = Duration.ofSeconds(2);

  private static final String NOT_FOUND = "not_found";
  private static final String ACTIVATION = "the license key was not activated";

  /** The last time that a request can have: the end of the year 9999. */
  private static final Instant MAX_BORROW_UNTIL = Instant.ofEpochSecond(253_402_300_799L);

  /** By how much the time moves before it is stored. */
  private static final double CLOCK_WRITE_INTERVAL = 60;

  private final Config config;
  private final Identity identity;
  private final Store store;
  private final Api api;
  private final Time time;
  private final Schedule schedule;

  private volatile Clock clock;

  /** The clock when it was last stored. */
  private Clock writtenClock;

  /** The monotonic clock at the last observation. */
  private double observedAt;

  private volatile Stored stored;
  private String reason = State.NOT_CONTACTED;
  private Optional<Instant> lastContact = Optional.empty();
  private Optional<String> lastFailure = Optional.empty();

  /** Opens a client from what is stored, without a request. */
  Client(
      Config config,
      Identity identity,
      Store store,
      Transport transport,
      Time time,
      DoubleSupplier random) {
    this.config = config;
    this.identity = identity;
    this.store = store;
    this.api = new Api(transport, identity);
    this.time = time;
    this.schedule = new Schedule(random);
    stored = Stored.read(store, config, identity);
    double reference = stored.token.map(token -> token.issuedAt).orElse(0L);
    clock =
        store.read(Store.CLOCK).flatMap(Clock::parse).orElse(Clock.start(time.wall(), reference));
    writtenClock = clock.limitTo(stored.token);
    observedAt = time.monotonic();
    now();
    schedule.open(stored, clock);
  }

  // ----- What an app asks -----

  synchronized State state() {
    now();
    return stored.state(clock, reason);
  }

  synchronized boolean has(String feature) {
    return state().mayRun() && stored.token.get().has(feature);
  }

  synchronized long limit(String feature) {
    return state().mayRun() ? stored.token.get().limit(feature) : 0;
  }

  /** Returns the seconds until the next request of the background task, 0 if one is due. */
  synchronized OptionalDouble next() {
    now();
    return schedule.next(stored, clock);
  }

  synchronized String diagnose() {
    State state = state();
    OptionalDouble next = schedule.nextAt(stored, clock);
    return new Diagnosis(config, identity, store, stored, clock)
        .text(state, next, lastContact, lastFailure);
  }

  /** Returns the text that an operator turns into a license file. */
  String offlineRequest() throws LicenseException {
    if (identity.isEphemeral) {
      throw new LicenseException(
          LicenseException.MACHINE_ID_EPHEMERAL,
          "the machine id is random, as in a container, and ends with the process: set the option"
              + " machineId to an id that stays the same");
    }
    JsonObject request = new JsonObject();
    request.addProperty("product", config.product());
    request.addProperty("machine_id", identity.machineId);
    identity.machineName.get().ifPresent(name -> request.addProperty("machine_name", name));
    byte[] json = request.toString().getBytes(StandardCharsets.UTF_8);
    return "signet-request/1:" + Base64.getUrlEncoder().withoutPadding().encodeToString(json);
  }

  // ----- Operations -----

  void activate(String licenseKey) throws LicenseException {
    String key = licenseKey.strip();
    load();
    Stored before = stored;
    boolean isOtherKey = before.licenseKey.isPresent() && !before.licenseKey.get().equals(key);
    boolean keepsPresent = isOtherKey || before.licenseKey.isEmpty() && before.token.isPresent();
    Reply reply = received(api.activate(key));
    Optional<Token> token = acceptToken(reply);
    if (token.isPresent()) {
      store.writeLicenseKey(key);
      storeToken(token.get(), reply, before.refusalId());
      return;
    }
    boolean isUnknownKey =
        before.licenseKey.isEmpty() && reply.problemCode().equals(Optional.of(NOT_FOUND));
    if (!keepsPresent && !isUnknownKey) failActivation(key, reply);
    throw failed(ACTIVATION, reply);
  }

  /** Handles a response to {@link #activate} that is no token. */
  private synchronized void failActivation(String key, Reply reply) {
    Optional<String> code = reply.problemCode();
    if (code.filter(RefusalCodes::refusesActivation).isPresent()) {
      if (RefusalCodes.keepsLicenseKey(code.get())) store.writeLicenseKey(key);
      storeRefusal(reply);
      return;
    }
    boolean isKeyInvalid = code.isPresent() && reply.status != 429;
    if (!isKeyInvalid) {
      if (stored.licenseKey.isEmpty()) store.remove(Store.REFUSAL);
      store.writeLicenseKey(key);
    }
    load();
    boolean isTriedAgain =
        stored.refusal.isEmpty() && stored.token.isEmpty() && stored.licenseKey.isPresent();
    noteFailure(reply);
    if (isTriedAgain) schedule.fail(stored, clock.time, reply.retryAfter(clock.time));
  }

  void deactivate() throws LicenseException {
    load();
    Optional<Token> token = stored.token;
    if (token.isEmpty() && stored.licenseKey.isPresent()) token = activateToDeactivate();
    if (token.isPresent()) {
      Reply reply = received(api.deactivate(token.get(), Optional.empty()));
      boolean isGone = reply.problemCode().equals(Optional.of(NOT_FOUND));
      if (reply.success().isEmpty() && !isGone)
        throw failed("the license was not deactivated", reply);
    }
    store.clear();
    load();
  }

  /**
   * Activates with the stored license key, because only a token frees the seat that this machine
   * may have. Returns nothing if the API refuses: the machine has no seat then.
   */
  private Optional<Token> activateToDeactivate() throws LicenseException {
    Stored before = stored;
    Reply reply = received(api.activate(before.licenseKey.orElseThrow()));
    Optional<Token> token = acceptToken(reply);
    if (token.isPresent()) storeToken(token.get(), reply, before.refusalId());
    else if (reply.problemCode().filter(RefusalCodes::refusesActivation).isEmpty())
      throw failed(ACTIVATION, reply);
    return token;
  }

  void release() {
    load();
    if (stored.token.isPresent()) {
      if (stored.isFromFile) return;
      Reply reply = received(api.deactivate(stored.token.get(), Optional.of(RELEASE_TIMEOUT)));
      if (reply.problemCode().filter(RefusalCodes::keepsSeat).isPresent()) return;
    }
    store.remove(Store.TOKEN);
    load();
    schedule.release();
  }

  /** Frees the seat, if it is that of this process. */
  void close() {
    if (identity.releasesAtClose()) release();
  }

  void borrow(Instant until) throws LicenseException {
    load();
    boolean isValid = !until.isAfter(MAX_BORROW_UNTIL) && until.getEpochSecond() > clock.time;
    if (!isValid) {
      throw new LicenseException(
          LicenseException.VALUE_INVALID, "until must be later than the present time");
    }
    borrow(until, true);
  }

  /** Borrows the seat. If it was lost, activates and tries once more. */
  private void borrow(Instant until, boolean mayActivate) throws LicenseException {
    load();
    Stored before = stored;
    if (before.token.isEmpty()) {
      throw before
          .refusal
          .map(LicenseException::of)
          .orElse(
              new LicenseException(
                  LicenseException.NOT_ACTIVATED, "the license is not activated on this machine"));
    }
    Reply reply = received(api.heartbeat(before.token.get(), Optional.of(until)));
    Optional<Token> token = acceptToken(reply);
    if (token.isPresent()) {
      storeToken(token.get(), reply, before.refusalId());
      return;
    }
    Optional<String> code = reply.problemCode();
    boolean canActivate =
        code.filter(RefusalCodes::isSeatLost).isPresent() && before.licenseKey.isPresent();
    if (canActivate && mayActivate) {
      activateAgain();
      borrow(until, false);
      return;
    }
    if (code.filter(RefusalCodes::refusesHeartbeat).isPresent() && !canActivate)
      storeRefusal(reply);
    if (code.isEmpty()) noteFailure(reply);
    throw failed("the seat was not borrowed", reply);
  }

  synchronized void importLicenseFile(String file) throws LicenseException {
    String text = LicenseFile.withoutByteOrderMark(file);
    load();
    Token token =
        LicenseFile.parse(text, config)
            .flatMap(parsed -> parsed.verifyForImport(config, identity, clock.time, time.wall()))
            .orElseThrow(Client::invalidFile);
    Optional<Refusal> refusal = stored.refusal;
    if (refusal.isPresent() && token.issuedAt <= refusal.get().at)
      throw LicenseException.of(refusal.get());
    if (stored.token.isPresent()) {
      Token present = stored.token.get();
      if (stored.isFromFile && present.text.equals(token.text)) return;
      if (token.issuedAt <= present.issuedAt) throw invalidFile();
    }
    setClock(clock.acceptLicenseFile(token.issuedAt, time.wall()));
    long next = schedule.nextHeartbeat(clock.time, token, OptionalDouble.empty());
    writeToken(
        token, new TokenRecord(token.text, next, false, Optional.empty(), Optional.of(text)));
    schedule.settle();
  }

  private static LicenseException invalidFile() {
    return new LicenseException(
        LicenseException.LICENSE_FILE_INVALID, "the license file is not valid for this machine");
  }

  // ----- The background task -----

  /** Sends the requests that are due. */
  void run() {
    load();
    if (schedule.areKeysDue(stored, clock)) fetchKeys();
    if (schedule.isRequestDue(stored, clock)) renew();
  }

  /** Sends what the background task would send next, whether it is due or not. */
  void refresh() {
    load();
    schedule.resume();
    renew();
  }

  private void renew() {
    if (stored.refusal.isEmpty() && stored.token.isPresent()) heartbeat();
    else activateAgain();
  }

  private void heartbeat() {
    load();
    Stored before = stored;
    if (before.token.isEmpty()) return;
    Reply reply = received(api.heartbeat(before.token.get(), Optional.empty()));
    Optional<Token> token = acceptToken(reply);
    Optional<String> code = reply.problemCode();
    boolean canActivate =
        code.filter(RefusalCodes::isSeatLost).isPresent() && before.licenseKey.isPresent();
    if (token.isPresent()) storeToken(token.get(), reply, before.refusalId());
    else if (canActivate) activateAgain();
    else if (code.filter(RefusalCodes::refusesHeartbeat).isPresent()) storeRefusal(reply);
    else failRequest(reply);
  }

  /** Activates with the stored license key. */
  private void activateAgain() {
    load();
    Stored before = stored;
    if (before.licenseKey.isEmpty()) return;
    Reply reply = received(api.activate(before.licenseKey.get()));
    Optional<Token> token = acceptToken(reply);
    if (token.isPresent()) storeToken(token.get(), reply, before.refusalId());
    else if (reply.problemCode().filter(RefusalCodes::refusesActivation).isPresent())
      storeRefusal(reply);
    else failRequest(reply);
  }

  /** Fetches the key set, and stores it if it is valid and not older than the stored one. */
  private void fetchKeys() {
    load();
    Reply reply = received(api.fetchKeys());
    synchronized (this) {
      load();
      Optional<KeySet> keys =
          reply.status == 200 ? KeySet.verify(reply.body, config) : Optional.empty();
      boolean isNewest =
          keys.isPresent()
              && keys.get().expiresAt >= Math.min(clock.time, time.wall())
              && stored.keys.filter(present -> present.issuedAt > keys.get().issuedAt).isEmpty();
      if (isNewest) store.write(Store.KEYS, keys.get().text);
      schedule.fetched(isNewest, clock.time);
      if (!isNewest) noteLastFailure(reply);
      load();
    }
  }

  // ----- Responses -----

  /** Notes when the last response came, or that there was none. */
  private synchronized Reply received(Reply reply) {
    now();
    if (reply.status == 0) noteLastFailure(reply);
    else noteContact();
    return reply;
  }

  private void noteContact() {
    lastContact = Optional.of(Instant.ofEpochSecond((long) clock.time));
  }

  /**
   * Returns the token of a response, if it is accepted. Fetches the key set once if the key of the
   * token is unknown.
   */
  private Optional<Token> acceptToken(Reply reply) {
    Optional<String> text = reply.success().flatMap(body -> Json.string(body, "token"));
    Optional<Jws> jws = text.flatMap(token -> Jws.parse(token, Token.TYPE));
    if (jws.isEmpty()) return Optional.empty();
    if (stored.keys.flatMap(keys -> keys.key(jws.get().keyId)).isEmpty()) fetchKeys();
    return stored
        .keys
        .flatMap(keys -> Token.verify(text.get(), keys, config, identity))
        .filter(token -> !clock.isReplay(token.issuedAt));
  }

  /**
   * Stores the token of a response, unless another process has stored a refusal since the request
   * was sent.
   *
   * @param refusalId the refusal that was stored when the request was sent
   */
  private synchronized void storeToken(Token token, Reply reply, Optional<String> refusalId) {
    load();
    if (stored.refusal.isPresent() && !stored.refusalId().equals(refusalId)) return;
    setClock(clock.acceptResponse(token.issuedAt, token.expiresAt, time.wall()));
    noteContact();
    JsonObject body = reply.success().orElseThrow();
    Optional<Instant> proposed = Json.dateTime(body, "next_heartbeat_at");
    long next =
        schedule.nextHeartbeat(
            clock.time,
            token,
            proposed.isPresent()
                ? OptionalDouble.of(seconds(proposed.get()))
                : OptionalDouble.empty());
    Optional<Long> graceEndsAt = Json.dateTime(body, "grace_ends_at").map(Instant::getEpochSecond);
    writeToken(
        token,
        new TokenRecord(
            token.text, next, Json.isTrue(body, "in_grace"), graceEndsAt, Optional.empty()));
    if (clock.isTampered()) schedule.fail(stored, clock.time, 0);
    else schedule.settle();
  }

  private void writeToken(Token token, TokenRecord record) {
    store.write(Store.TOKEN, record.toJson());
    writeClock(clock.limitTo(Optional.of(token)));
    store.remove(Store.REFUSAL);
    reason = State.NOT_CONTACTED;
    load();
  }

  /** Stores a refusal, and removes the token. */
  private synchronized void storeRefusal(Reply reply) {
    now();
    String code = reply.problemCode().orElseThrow();
    Optional<Long> retryAt = code.equals("seat_limit_reached") ? reply.retryAt() : Optional.empty();
    Refusal refusal = new Refusal(UUID.randomUUID().toString(), code, (long) clock.time, retryAt);
    store.write(Store.REFUSAL, refusal.toJson());
    store.remove(Store.TOKEN);
    load();
  }

  /**
   * Plans the next try after a request of the background task that was neither a success nor a
   * refusal.
   */
  private synchronized void failRequest(Reply reply) {
    now();
    noteFailure(reply);
    schedule.fail(stored, clock.time, reply.retryAfter(clock.time));
  }

  private synchronized void noteFailure(Reply reply) {
    reason = reply.reason();
    noteLastFailure(reply);
  }

  private void noteLastFailure(Reply reply) {
    lastFailure = Optional.of(Instant.ofEpochSecond((long) clock.time) + " " + reply.description());
  }

  /** Returns the error of an operation whose response is no success. */
  private synchronized LicenseException failed(String what, Reply reply) {
    if (reply.errorCode().equals(LicenseException.UNREACHABLE)) noteLastFailure(reply);
    return LicenseException.of(what, reply);
  }

  // ----- The storage and the clock -----

  /** Reads all files again, because another process may have changed them. */
  private synchronized void load() {
    now();
    stored = Stored.read(store, config, identity);
    clock = store.read(Store.CLOCK).flatMap(Clock::parse).map(clock::merge).orElse(clock);
    now();
    schedule.notice(stored, clock.time);
  }

  /** Observes the clocks, and stores the time if it has moved. */
  private void now() {
    double monotonic = time.monotonic();
    clock = clock.observe(time.wall(), monotonic - observedAt, stored.notBefore());
    observedAt = monotonic;
    Clock limited = clock.limitTo(stored.token);
    boolean hasMoved = Math.abs(limited.time - writtenClock.time) >= CLOCK_WRITE_INTERVAL;
    if (hasMoved || limited.setBack != writtenClock.setBack) writeClock(limited);
  }

  /** Sets the clock to a signed time. Due times move with it. */
  private void setClock(Clock signed) {
    if (signed.time < clock.time) schedule.moveBack(clock.time - signed.time);
    clock = signed;
  }

  private void writeClock(Clock limited) {
    writtenClock = limited;
    store.write(Store.CLOCK, limited.toJson());
  }

  private static double seconds(Instant instant) {
    return instant.getEpochSecond() + instant.getNano() / 1e9;
  }
}
