use crate::{
    core::{Core, TokenFile},
    error::Error,
    license_file::{LicenseFile, LicenseFileError, IMPORT_FAILED},
    state::OfflineReason,
    time::{seconds, Seconds},
    token::Claims,
};

impl Core {
    /// Imports a license file. The present file again changes nothing.
    pub(crate) fn import_license_file(&mut self, content: &[u8]) -> Result<(), Error> {
        let text = std::str::from_utf8(content).map_err(|_| LicenseFileError::Format)?;
        // Editors on Windows add a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (file, claims) = self.verify_license_file(text)?;
        let refused = self.refusal.as_ref().filter(|refusal| claims.iat <= refusal.at);
        if let Some(refusal) = refused {
            return Err(Error::refused(IMPORT_FAILED, &refusal.code));
        }
        if let Some((token, present)) = self.accepted() {
            if token.file.license_file.is_some() && token.file.token == file.token {
                return Ok(());
            }
            if claims.iat <= present.iat {
                return Err(LicenseFileError::Older.into());
            }
        }
        self.store_license_file(text, file, &claims);
        Ok(())
    }

    fn verify_license_file(&self, text: &str) -> Result<(LicenseFile, Claims), LicenseFileError> {
        let file = LicenseFile::parse(text).ok_or(LicenseFileError::Format)?;
        let latest = self.clock.latest();
        let claims = file.check(&self.identity, latest)?;
        let end = claims.enforcement.offline_until;
        if latest > seconds(end) {
            return Err(LicenseFileError::Ended(end));
        }
        Ok((file, claims))
    }

    fn store_license_file(&mut self, text: &str, file: LicenseFile, claims: &Claims) {
        let issued_at = seconds(claims.iat);
        if self.clock.is_later(issued_at) {
            let before = self.now();
            self.clock.synchronize(issued_at, Seconds::INFINITY, self.ports.time.read().wall);
            self.schedule.shift((self.now() - before).min(0.0));
        }
        let file = TokenFile {
            token: file.token,
            next_heartbeat_at: self.next_heartbeat(None, claims.enforcement.heartbeat_interval_seconds),
            in_grace: false,
            grace_ends_at: None,
            license_file: Some(text.to_owned()),
        };
        self.write_token(&file);
        self.remove_refusal();
        self.write_clock();
        self.schedule.clear_failures();
        self.is_released = false;
        self.reason = OfflineReason::NotContacted;
    }
}
