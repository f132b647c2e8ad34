package io.github.signetlicensing.client;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * The license of an app on this machine.
 *
 * <p>{@link #open} reads what is stored, without network, and starts a daemon thread that renews
 * the license. Any thread can call any method. Methods that send a request wait for it; {@link
 * #state}, {@link #has} and {@link #limit} do not.
 */
public final class License implements AutoCloseable {
  /** The version of this library. */
  public static final String VERSION = "0.1.0";

  /** What {@link #limit} returns if there is no limit. */
  public static final long UNLIMITED = Long.MAX_VALUE;

  static final String USER_AGENT = "signet-client-java/" + VERSION;

  private final Client client;
  private final HttpTransport transport;
  private final BackgroundTask task = new BackgroundTask(this::run);
  private final ChangeNotifier changes;

  /** Held by an operation or a run of the background task, also while it waits for the network. */
  private final ReentrantLock operations = new ReentrantLock();

  private boolean isClosed;

  private License(Config config, Options options) throws LicenseException {
    options.check();
    Host host = new SystemHost();
    Optional<String> machineId =
        options.readMachineId().or(() -> MachineId.read(config.product(), host));
    Identity identity =
        new Identity(
            machineId.orElseGet(MachineId::ephemeral),
            machineId.isEmpty(),
            options.instanceId,
            options.machineName,
            options.appVersion,
            options.os,
            options.hostname);
    Storage storage = options.storage.orElseGet(() -> new FileStorage(defaultFolder(config, host)));
    Proxies proxies = new Proxies(options.proxy, System.getenv());
    transport =
        new HttpTransport(
            config.apiUrl(),
            options.userAgent,
            proxies,
            options.certificates,
            options.connectTimeout,
            options.timeout);
    Store store = new Store(storage, identity, options.keepsLicenseKey);
    client =
        new Client(
            config, identity, store, transport, new SystemTime(), new SecureRandom()::nextDouble);
    changes = new ChangeNotifier(client::state);
  }

  /**
   * Opens the license with the default options.
   *
   * @param config the content of the app file
   * @return the license
   * @throws LicenseException with the code {@code invalid_config}
   */
  public static License open(Config config) throws LicenseException {
    return open(config, new Options());
  }

  /**
   * Opens the license. Sends no request. Checks the options: the message of the exception names the
   * one that is not valid.
   *
   * @param config the content of the app file
   * @param options the options
   * @return the license
   * @throws LicenseException with the code {@code invalid_config}
   */
  public static License open(Config config, Options options) throws LicenseException {
    License license = new License(config, options);
    license.task.start(license.client.nextRun());
    return license;
  }

  /**
   * Activates the license on this machine.
   *
   * @param licenseKey the license key. White space around it is removed
   * @return the new state
   * @throws LicenseException with the code of the API, such as {@code seat_limit_reached}, {@code
   *     wrong_product}, or {@code unreachable}
   */
  public State activate(String licenseKey) throws LicenseException {
    return perform(() -> client.activate(licenseKey));
  }

  /**
   * Returns the state, from what is stored and the time.
   *
   * @return the state
   */
  public State state() {
    return client.state();
  }

  /**
   * Calls a function with the new state after each change, other than that of {@link State#until}
   * of an active license. The calls do not overlap, and are in the order of the states. No lock is
   * held during a call: the function can call any method, or wait for a thread that does. It runs
   * on the thread that performs the operation, before the operation returns, or on that of the
   * background task; a change during a call is reported after it, by the same thread. Exceptions of
   * the function are ignored. It is not called any more once {@link #close} was called.
   *
   * @param callback the function
   */
  public void onChange(Consumer<State> callback) {
    changes.add(callback);
  }

  /**
   * Returns whether the app may run and the license has a feature.
   *
   * @param feature key of the feature, such as {@code export.pdf}
   * @return true if the feature is licensed
   */
  public boolean has(String feature) {
    return client.has(feature);
  }

  /**
   * Returns a limit of the license.
   *
   * @param feature key of the limit, such as {@code export.rows}
   * @return the number, {@link #UNLIMITED}, or 0 if the app may not run or the limit is not granted
   */
  public long limit(String feature) {
    return client.limit(feature);
  }

  /**
   * Gives the license up on this machine: frees its seat, and removes the license key and the
   * token. Without a token, activates first with the stored license key, because only a token frees
   * the seat.
   *
   * @return the new state
   * @throws LicenseException with the code of the API or {@code unreachable}. The license key is
   *     still stored then
   */
  public State deactivate() throws LicenseException {
    return perform(client::deactivate);
  }

  /**
   * Frees the seat, but keeps the license key. Failures are ignored. The background task sends
   * nothing until the license is opened again, {@link #activate} has stored a license key, or there
   * is a token again, also of another process. Does nothing if the token is from a license file.
   *
   * @return the new state
   */
  public State release() {
    operations.lock();
    try {
      if (!isClosed) client.release();
    } finally {
      operations.unlock();
    }
    return announce();
  }

  /**
   * Asks the API now: sends a heartbeat, or activates with the stored license key if there is no
   * token or after a refusal. Programs that end within seconds call it, because the background task
   * sends its first request only later. A failure of the network is no error: the state says what
   * is known, with its {@link State#reason}.
   *
   * @return the new state
   * @throws LicenseException with the code {@code closed}
   */
  public State refresh() throws LicenseException {
    return perform(client::refresh);
  }

  /**
   * Keeps the seat until a time, without heartbeats: for a machine that will have no network.
   *
   * @param until the end, in whole seconds, later than now
   * @return the new state
   * @throws LicenseException with the code of the API, such as {@code borrow_not_allowed}, {@code
   *     ephemeral_machine_id} if the machine has no id that stays the same, as in a container,
   *     {@code invalid_value} if the end is not later than now, or {@code unreachable}
   */
  public State borrow(Instant until) throws LicenseException {
    Instant end = until == null ? Instant.EPOCH : until.truncatedTo(ChronoUnit.SECONDS);
    return perform(() -> client.borrow(end));
  }

  /**
   * Returns the text with which a customer or an operator makes a license file for this machine.
   *
   * @return the text, which is not secret
   * @throws LicenseException with the code {@code ephemeral_machine_id} if the machine has no id
   *     that stays the same, as in a container: give one with {@link Options#machineId(String)}
   */
  public String offlineRequest() throws LicenseException {
    return client.offlineRequest();
  }

  /**
   * Imports a license file, without network.
   *
   * @param file the text of the file: all of it, with or without a byte order mark
   * @return the new state
   * @throws LicenseException with the code {@code license_file_invalid}, whose message says why, or
   *     the code of a refusal that is later than the file
   */
  public State importLicenseFile(String file) throws LicenseException {
    return perform(() -> client.importLicenseFile(file));
  }

  /**
   * Imports a license file, without network.
   *
   * @param file all bytes of the file
   * @return the new state
   * @throws LicenseException with the code {@code license_file_invalid}, whose message says why, or
   *     the code of a refusal that is later than the file
   */
  public State importLicenseFile(byte[] file) throws LicenseException {
    return importLicenseFile(new String(file, StandardCharsets.UTF_8));
  }

  /**
   * Returns lines of text for support. They contain neither the license key nor a token.
   *
   * @return the text
   */
  public String diagnose() {
    return client.diagnose();
  }

  /**
   * Stops the background task, and frees the seat if it is that of this process. Waits at most two
   * seconds for the network. The present operation and later ones fail with the code {@code
   * closed}. A second call does nothing.
   */
  @Override
  public void close() {
    changes.stop();
    task.stop();
    transport.stop();
    operations.lock();
    try {
      if (isClosed) return;
      isClosed = true;
      transport.resume();
      client.close();
    } finally {
      operations.unlock();
    }
  }

  /** Performs an operation on the client. */
  private interface Operation {
    void perform() throws LicenseException;
  }

  private State perform(Operation operation) throws LicenseException {
    operations.lock();
    try {
      if (isClosed) throw new LicenseException(LicenseException.CLOSED, "the license is closed");
      operation.perform();
    } finally {
      operations.unlock();
      announce();
    }
    return client.state();
  }

  /** Tells of a change, and lets the background task find out when its next run is due. */
  private State announce() {
    changes.check();
    task.wake();
    return client.state();
  }

  /** Runs the background task once. Returns the seconds until its next run. */
  private OptionalDouble run() {
    operations.lock();
    try {
      if (isClosed) return OptionalDouble.empty();
      client.run();
    } finally {
      operations.unlock();
    }
    changes.check();
    return client.nextRun();
  }

  private static Path defaultFolder(Config config, Host host) {
    Path home = Path.of(System.getProperty("user.home", "."));
    return FileStorage.defaultFolder(config.product(), host.system(), System.getenv(), home);
  }
}
